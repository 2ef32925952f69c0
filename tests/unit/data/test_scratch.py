"""Pixel caches on a node's own disk: copied once, verified, and skipped without harm if the disk fails."""

import subprocess
import sys

import numpy as np
import pytest

from csdn.artifacts.cache_record import record_path
from csdn.data import scratch
from csdn.data.image_cache import open_cache, write_pixels
from csdn.data.scratch import local_copy
from csdn.errors import UserError

FOLDER = "$NODE/disk"
PATHS = [f"{number}.png" for number in range(5)]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 2, 3), dtype=np.uint8)
    path = tmp_path / "shared" / "cache.npy"
    path.parent.mkdir()
    write_pixels(path, pixels.shape, [pixels], PATHS)
    monkeypatch.setenv("NODE", str(tmp_path / "node"))
    return path


def test_the_copy_is_read_and_made_once(cache, tmp_path, monkeypatch):
    copy = local_copy(cache, FOLDER)
    assert copy.is_relative_to(tmp_path / "node/disk")
    assert copy.read_bytes() == cache.read_bytes()
    monkeypatch.setattr(scratch, "_copy", lambda *_: pytest.fail("copied again"))
    assert local_copy(cache, FOLDER) == copy
    opened = open_cache(cache, 5, PATHS, scratch=FOLDER)
    assert str(opened.filename) == str(copy) and np.array_equal(opened, np.load(cache))


def test_without_a_scratch_disk_nothing_is_copied(cache, tmp_path):
    assert local_copy(cache, None) == cache
    assert not (tmp_path / "node").exists()


def test_a_damaged_copy_is_made_again(cache):
    copy = local_copy(cache, FOLDER)
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    assert local_copy(cache, FOLDER).read_bytes() == cache.read_bytes()


def test_other_pixels_get_a_copy_of_their_own(cache):
    first = local_copy(cache, FOLDER)
    write_pixels(cache, (5, 4, 2, 3), [np.zeros((5, 4, 2, 3), np.uint8)], PATHS)
    second = local_copy(cache, FOLDER)
    assert second != first and not np.load(second).any() and np.load(first).any()


def test_a_source_that_was_changed_is_refused_and_nothing_is_left(cache, tmp_path):
    data = bytearray(cache.read_bytes())
    data[-1] ^= 1
    cache.write_bytes(data)
    with pytest.raises(UserError, match=r"cache\.npy: was changed after it was written"):
        local_copy(cache, FOLDER)
    assert [path.name for path in (tmp_path / "node").rglob("*") if path.is_file()] == [".lock"]


def test_a_disk_that_cannot_be_used_costs_speed_only(cache, tmp_path, capsys):
    (tmp_path / "node").write_text("a file")
    assert local_copy(cache, FOLDER) == cache
    assert local_copy(cache, "$NOT_SET_HERE/x") == cache
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "cannot be used" in told[0] and "not set on this node" in told[1]


def test_a_full_disk_costs_speed_only_and_leaves_nothing(cache, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scratch.BlockDigests, "update", full)
    assert local_copy(cache, FOLDER) == cache
    assert "No space left" in capsys.readouterr().err
    assert not list((tmp_path / "node").rglob("*.npy*"))


def test_processes_that_come_at_once_copy_once(cache):
    code = (
        "from pathlib import Path; from csdn.data.scratch import local_copy; "
        f"print(local_copy(Path({str(cache)!r}), {FOLDER!r}).stat().st_ino)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = {process.communicate(timeout=60)[0] for process in running}
    assert len(found) == 1 and found.pop().strip().isdecimal()
    assert record_path(local_copy(cache, FOLDER)).is_file()
