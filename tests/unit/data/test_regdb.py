"""Reading RegDB: the lists' order, identities by folder, and one line for whatever is wrong."""

import json
import shutil
from pathlib import Path

import pytest

from csdn.data.readers import compare_counts, read_records
from csdn.data.regdb import read_records as read_regdb
from csdn.errors import UserError

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def root(tmp_path, fake_regdb):
    return Path(shutil.copytree(fake_regdb, tmp_path / "regdb"))


@pytest.mark.parametrize("split", ["1", "2"])
def test_lists_are_the_reference_s_in_order(split, fake_regdb):
    expected = json.loads((FIXTURES / "fake_regdb_expected.json").read_text())
    records = read_regdb(fake_regdb, split)
    for subset in ("train", "test"):
        persons = sorted({record.person_id for record in records if record.subset == subset})
        for name, modality, camera in (("visible", "visible", 1), ("thermal", "infrared", 2)):
            images = [r for r in records if r.subset == subset and r.modality == modality]
            wanted = expected[subset][f"{name}_{split}"]
            assert [f"fake_regdb/{image.path}" for image in images] == wanted["paths"]
            assert [persons.index(image.person_id) for image in images] == wanted["labels"]
            assert {image.camera_id for image in images} == {camera}
    assert records == read_records("regdb", fake_regdb, int(split))


def test_identities_are_unique_over_train_and_test(root):
    records = read_regdb(root, "1")
    assert all(record.person_id == int(record.path.split("/")[1]) for record in records)
    assert len({record.person_id for record in records}) == 12


def test_lists_may_have_blanks_backslashes_and_windows_line_ends(root):
    before = read_regdb(root, "1")
    path = root / "idx/test_visible_1.txt"
    lines = path.read_text().replace("/", "\\").splitlines()
    path.write_bytes("\r\n".join(["", *[f"  .\\{line} " for line in lines], " ", ""]).encode())
    assert read_regdb(root, "1") == before


def edit(name, function):
    def change(root):
        path = root / "idx" / name
        path.write_text("\n".join(function(path.read_text().splitlines())) + "\n")

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root / "idx"), r"missing idx/, idx/train_visible_1\.txt"),
        (lambda root: (root / "idx/test_thermal_1.txt").unlink(), r"missing idx/test_thermal_1\.txt"),
        (edit("test_thermal_1.txt", lambda lines: []), r"test_thermal_1\.txt: lists no image"),
        (edit("train_visible_1.txt", lambda lines: [*lines, "Visible/1/x.bmp"]), r"train_visible_1\.txt:19: expected"),
        (edit("train_visible_1.txt", lambda lines: [*lines, "Visible/1/x.bmp zero"]), "expected `path label`"),
        (edit("train_visible_1.txt", lambda lines: [*lines, "Visible/1/x.bmp 0"]), "1 of 19 images are missing, first"),
        (edit("train_visible_1.txt", lambda lines: [lines[0][:-1] + "3", *lines[1:]]), "folder 1 has labels 3 and 0"),
        (edit("train_visible_1.txt", lambda lines: [line[:-1] + "0" for line in lines]), "label 0 is used for folders"),
        (
            lambda root: shutil.copy(root / "idx/train_visible_1.txt", root / "idx/test_visible_1.txt"),
            r"label 0 is used for folders 1 and 3|are in train_\*_1\.txt and in test_\*_1\.txt",
        ),
    ],
)
def test_says_what_is_wrong_in_one_line(root, change, message):
    change(root)
    with pytest.raises(UserError, match=message) as caught:
        read_regdb(root, "1")
    assert str(caught.value).startswith(str(root))
    assert "\n" not in str(caught.value)


def test_train_and_test_share_no_identity(root):
    for name in ("visible", "thermal"):
        shutil.copy(root / f"idx/train_{name}_1.txt", root / f"idx/test_{name}_1.txt")
    with pytest.raises(UserError, match=r"identities 1, 2, 6.* are in train_\*_1\.txt and in test_\*_1\.txt"):
        read_regdb(root, "1")


def test_images_lie_in_numbered_folders(root):
    shutil.move(root / "Visible/1", root / "Visible/one")
    edit("train_visible_1.txt", lambda lines: [line.replace("Visible/1/", "Visible/one/") for line in lines])(root)
    with pytest.raises(UserError, match="is not in a folder named by an identity number"):
        read_regdb(root, "1")


@pytest.mark.parametrize("split", ["0", "11", "default"])
def test_there_are_ten_splits(root, split):
    with pytest.raises(UserError, match=f"split '{split}' does not exist in RegDB; known: 1, 2"):
        read_regdb(root, split)


def test_names_the_counts_that_differ_from_the_official_ones(root):
    assert ("test identities", 6, 206) in compare_counts(read_regdb(root, "2"), "regdb")
