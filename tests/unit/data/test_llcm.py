"""Reading LLCM: lists, test folders, and one line for whatever is wrong."""

import shutil

import pytest

from csdn.config.layouts import CAMERAS, FILE_NAMES
from csdn.data.llcm import read_records as read_llcm
from csdn.data.readers import compare_counts, read_records
from csdn.errors import UserError

TEST_CAMERAS = {FILE_NAMES["llcm"][modality]: cameras for modality, cameras in CAMERAS["llcm"].items()}


@pytest.fixture
def root(tmp_path):
    """Three training and two test identities; training images carry their camera in the name or in the path."""
    lists = {"vis": [], "nir": []}
    for label, person in enumerate((1, 5, 8)):
        for name, cameras in TEST_CAMERAS.items():
            for camera in cameras[:2]:
                path = f"{name}/{person:04d}/{person:04d}_c{camera:02d}_s1_f2_{name}.jpg"
                if person == 8:
                    path = f"train_{name}/cam{camera}/0008/0001.jpg"
                touch(tmp_path / path)
                lists[name].append(f"{path} {label}")
    for name, cameras in TEST_CAMERAS.items():
        for camera in cameras:
            (tmp_path / f"test_{name}/cam{camera}").mkdir(parents=True)
        for person, camera in ((12, cameras[0]), (12, cameras[3]), (3, cameras[1])):
            for image in ("b.jpg", "a.jpg", "Thumbs.db"):
                touch(tmp_path / f"test_{name}/cam{camera}/{person:04d}/{image}")
    (tmp_path / "idx").mkdir()
    for name, lines in lists.items():
        (tmp_path / f"idx/train_{name}.txt").write_text("\n".join(lines))
    (tmp_path / "idx/test_id.txt").write_text("12,3,40\n")
    return tmp_path


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def test_reads_lists_and_test_folders(root):
    records = read_llcm(root)
    assert [(r.person_id, r.camera_id, r.modality) for r in records if r.subset == "train"] == [
        (person, camera, modality) for modality in ("visible", "infrared") for person in (1, 5, 8) for camera in (1, 2)
    ]
    assert [r.path for r in records if r.subset == "test" and r.modality == "infrared"] == [
        "test_nir/cam2/0003/a.jpg",
        "test_nir/cam2/0003/b.jpg",
        "test_nir/cam1/0012/a.jpg",
        "test_nir/cam1/0012/b.jpg",
        "test_nir/cam5/0012/a.jpg",
        "test_nir/cam5/0012/b.jpg",
    ]
    assert records == read_records("llcm", root)
    assert compare_counts(records, "llcm") == [("training identities", 3, 713), ("test identities", 2, 351)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: shutil.rmtree(root / "test_nir/cam9"), r"missing test_nir/cam9/; expected the LLCM layout"),
        (lambda root: (root / "idx/test_id.txt").unlink(), r"missing idx/test_id\.txt"),
        (
            lambda root: (root / "idx/test_id.txt").write_text("77"),
            r"test_vis: has no image of an identity in idx/test_id",
        ),
        (lambda root: (root / "idx/test_id.txt").write_text("12,5"), r"5 are in train_\{vis,nir\}\.txt and in"),
        (lambda root: (root / "nir/0001/0001_c01_s1_f2_nir.jpg").unlink(), "1 of 6 images are missing"),
        (
            lambda root: [
                touch(root / "vis/0001/x.jpg"),
                (root / "idx/train_vis.txt").write_text("vis/0001/x.jpg 0"),
            ],
            "names no camera",
        ),
    ],
)
def test_says_what_is_wrong_in_one_line(root, change, message):
    change(root)
    with pytest.raises(UserError, match=message) as caught:
        read_llcm(root)
    assert str(caught.value).startswith(str(root))
    assert "\n" not in str(caught.value)
