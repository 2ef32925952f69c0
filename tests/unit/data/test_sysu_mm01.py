"""Reading SYSU-MM01: order, subsets, and one line for whatever is missing."""

import json
import shutil
from pathlib import Path

import pytest

from csdn.config.layouts import OFFICIAL_COUNTS
from csdn.data.readers import compare_counts, read_records
from csdn.data.sysu_mm01 import read_records as read_sysu
from csdn.errors import UserError

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def root(tmp_path, fake_sysu):
    return Path(shutil.copytree(fake_sysu, tmp_path / "sysu"))


def test_training_images_are_the_reference_s_in_order(fake_sysu):
    expected = json.loads((FIXTURES / "fake_sysu_expected.json").read_text())["train"]
    records = [record for record in read_sysu(fake_sysu) if record.subset != "test"]
    for modality, prefix in (("visible", "rgb"), ("infrared", "ir")):
        images = [record for record in records if record.modality == modality]
        assert [f"fake_sysu/{image.path}" for image in images] == expected[f"{prefix}_paths"]
        labels = [expected["pid2label"][str(image.person_id)] for image in images]
        assert labels == expected[f"{prefix}_labels"]


def test_subsets_cameras_and_modalities(root):
    records = read_sysu(root)
    assert len(records) == 252
    assert {r.person_id for r in records if r.subset == "val"} == {9, 30}
    assert {r.camera_id for r in records if r.modality == "infrared"} == {3, 6}
    assert all(r.path == f"cam{r.camera_id}/{r.person_id:04d}/{Path(r.path).name}" for r in records)
    assert records == sorted(records, key=lambda r: (r.person_id, r.camera_id, r.path))
    assert records == read_records("sysu_mm01", str(root))


def test_other_files_are_left_out(root):
    before = read_sysu(root)
    for name in ("Thumbs.db", "._0008.jpg", ".DS_Store", "notes.txt"):
        (root / "cam1/0001" / name).write_bytes(b"x")
    (root / "cam1/readme").write_text("x")
    assert read_sysu(root) == before


@pytest.mark.parametrize("text", ["7,1,23,4\r\n", " 7 , 1,23 ,4,\n\n", "\ufeff7,1,23,4", "7\n1\n23\n4\n"])
def test_identity_lists_may_have_blanks_and_any_line_ends(root, text):
    before = read_sysu(root)
    (root / "exp/train_id.txt").write_bytes(text.encode())
    assert read_sysu(root) == before


def test_validation_identities_may_be_none(root):
    (root / "exp/val_id.txt").write_text("\n")
    assert {record.subset for record in read_sysu(root)} == {"train", "test"}


def remove(name):
    return lambda root: shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()


def write(name, text):
    return lambda root: (root / name).write_text(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root), "no such folder; give the root of the SYSU-MM01 layout"),
        (remove("cam3"), r"missing cam3/; expected the SYSU-MM01 layout"),
        (remove("exp"), r"missing exp/train_id\.txt, exp/val_id\.txt, exp/test_id\.txt"),
        (remove("exp/val_id.txt"), r"missing exp/val_id\.txt"),
        (write("exp/test_id.txt", "333,two"), r"exp/test_id\.txt:1: 'two' is not an identity"),
        (write("exp/test_id.txt", "333,0"), r"exp/test_id\.txt:1: '0' is not an identity"),
        (write("exp/test_id.txt", ""), r"has no image of an identity in exp/test_id\.txt"),
        (write("exp/test_id.txt", "333,7,4"), r"identities 4, 7 are in train_id\.txt and in test_id\.txt"),
        (lambda root: (root / "exp/val_id.txt").write_bytes(b"\xff\xfe"), r"exp/val_id\.txt: is not UTF-8 text"),
    ],
)
def test_says_what_is_wrong_in_one_line(root, change, message):
    change(root)
    with pytest.raises(UserError, match=message) as caught:
        read_sysu(root)
    assert str(caught.value).startswith(str(root))
    assert "\n" not in str(caught.value)


def test_names_the_counts_that_differ_from_the_official_ones(root):
    differences = compare_counts(read_sysu(root), "sysu_mm01")
    assert ("query images", 22, 3803) in differences
    assert ("single-shot gallery images (all search)", 14, 301) in differences
    official = [(count.name, count.expected) for count in OFFICIAL_COUNTS["sysu_mm01"]]
    assert [(name, expected) for name, _, expected in differences] == official
