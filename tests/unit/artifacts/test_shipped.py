"""The small CLIP that comes with csdn is the file of its record, and part of what is installed."""

import shutil
import tomllib

import pytest

from csdn.artifacts import shipped
from csdn.artifacts.digests import sha256
from csdn.artifacts.records import RECORD
from csdn.errors import UserError


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The shipped files in a folder of the test's."""
    folder = tmp_path / "shipped"
    shutil.copytree(shipped.SHIPPED_CLIP.parent, folder)
    monkeypatch.setattr(shipped, "SHIPPED_CLIP", folder / shipped.SHIPPED_CLIP.name)
    shipped.shipped_record.cache_clear()
    yield folder / shipped.SHIPPED_CLIP.name
    shipped.shipped_record.cache_clear()


def test_the_file_is_that_of_its_record_and_small():
    assert shipped.checked_shipped_clip() == shipped.SHIPPED_CLIP
    assert shipped.shipped_digest() == sha256(shipped.SHIPPED_CLIP)
    assert shipped.SHIPPED_CLIP.stat().st_size < 2 * 10**6


def test_it_is_installed_with_the_package(pytestconfig):
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())
    folder = shipped.SHIPPED_CLIP.parent.relative_to(pytestconfig.rootpath / "src" / "csdn").as_posix()
    assert f"{folder}/*" in project["tool"]["setuptools"]["package-data"]["csdn"]


def test_a_changed_file_is_refused(copy):
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(UserError, match=r"clip_mini\.safetensors: was changed after it was written"):
        shipped.checked_shipped_clip()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("", "is missing; install csdn again, or set clip.weights to `mini`"),
        (RECORD, "has no record; install"),
    ],
)
def test_what_is_missing_is_named(copy, missing, message):
    copy.with_name(copy.name + missing).unlink()
    with pytest.raises(UserError, match=message):
        shipped.checked_shipped_clip()
