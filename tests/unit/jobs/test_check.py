"""`csdn index-images --check`: the tables, all problems at once, and what is only a warning."""

import shutil

import pytest
import yaml
from PIL import Image

from helpers.refusals import contents, run
from helpers.small_datasets import noise, write_llcm, write_regdb, write_sysu

WRITERS = {"sysu_mm01": write_sysu, "regdb": write_regdb, "llcm": write_llcm}


@pytest.fixture
def data(tmp_path):
    """Three datasets and settings that name them."""
    for layout, write in WRITERS.items():
        write(tmp_path / layout)
    datasets = {
        name: {"layout": name, "root": str(tmp_path / name), "image_size": [16, 16], "splits": ["default"]}
        for name in WRITERS
    }
    datasets["regdb"]["splits"] = ["1", "2"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"datasets": datasets, "variants": {"csdn": {}}}))
    return tmp_path


def check(capsys, data, *options):
    before = contents(data)
    result = run(capsys, "index-images", "--check", "--params", data / "params.yaml", *options)
    assert contents(data) == before
    return result


def test_counts_that_differ_are_a_warning_and_no_error(capsys, data):
    code, table, error = check(capsys, data)
    assert code == 0
    assert {line.split(":")[0] for line in error.splitlines()} == {"csdn"}
    assert [line.split(": ")[2].split(",")[0] for line in error.splitlines()] == ["llcm", "regdb", "regdb", "sysu_mm01"]
    assert "4 training identities (train and val), officially 395" in error
    assert "figures on it do not compare with published ones" in error
    for words in ("sysu_mm01, split default", "regdb, split 1", "regdb, split 2: cameras", "llcm, split default"):
        assert words in table


def test_the_table_has_every_protocol_and_camera(capsys, data):
    _, table, _ = check(capsys, data, "--dataset", "sysu_mm01")
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        rows[cells[0]] = cells[1:]
    assert rows["query images"] == ["4", "3803"]  # identities 4 and 5, cameras 3 and 6, one image each
    assert rows["single-shot gallery images (all search)"] == ["8", "301"]
    assert rows["sysu_all_single: gallery images"] == ["8", ""]
    assert rows["sysu_all_multi: gallery images"] == ["16", ""]
    assert rows["sysu_indoor_single: gallery images"] == ["4", ""]
    assert rows["1"] == ["visible", "6", "3", "2", "1", "4", "2"]  # train, val, test: images and identities
    assert rows["3"] == ["infrared", "3", "3", "1", "1", "2", "2"]


def test_all_problems_of_all_datasets_are_told_at_once(capsys, data):
    (data / "sysu_mm01/cam1/0001/0001.jpg").write_bytes(b"")
    (data / "sysu_mm01/cam2/0002/0001.jpg").write_bytes(b"text")
    shutil.copy(data / "sysu_mm01/cam4/0001/0001.jpg", data / "sysu_mm01/cam4/0004/0002.jpg")
    (data / "sysu_mm01/exp/test_id.txt").write_text("4,5,none")
    with (data / "regdb/idx/test_thermal_2.txt").open("a") as handle:
        handle.write("Thermal/1/absent.bmp 0\n../x.bmp 1\n")
    shutil.rmtree(data / "llcm/test_nir/cam9")
    code, _, error = check(capsys, data)
    problems = [line for line in error.splitlines() if "warning" not in line]
    assert code == 2
    assert len(problems) == 7
    for words in (
        "test_id.txt:1: 'none' is not an identity",
        "cam1/0001/0001.jpg: is empty (0 bytes)",
        "cam2/0002/0001.jpg: is not an image",
        "cam4/0001/0001.jpg (train) are the same image",
        "test_thermal_2.txt: 1 of 5 images are missing",
        "test_thermal_2.txt:6: '../x.bmp' leads out of the dataset",
        "missing test_nir/cam9/",
    ):
        assert sum(words in line for line in problems) == 1, words


def test_equal_images_may_be_allowed(capsys, data):
    shutil.copy(data / "sysu_mm01/cam4/0001/0001.jpg", data / "sysu_mm01/cam4/0004/0002.jpg")
    options = ("--dataset", "sysu_mm01", "--set", "datasets.sysu_mm01.duplicates=warn")
    code, _, error = check(capsys, data, *options)
    assert code == 0
    assert "cam4/0004/0002.jpg (test) and cam4/0001/0001.jpg (train) are the same image" in error
    write = ("--root", data / "sysu_mm01", "--index", data / "i.parquet", "--cache", data / "c.npy")
    code, _, error = run(capsys, "index-images", "--params", data / "params.yaml", *options, *write)
    assert code == 0
    assert "are the same image" in error
    assert (data / "c.npy").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda root: shutil.copy(root / "cam1/0001/0001.jpg", root / "cam1/0002/0001.jpg"),
            "identity 2) are the same",
        ),
        (lambda root: (root / "exp/test_id.txt").write_text("4,5,9\r\n"), "test_id.txt: identities 9 have no image"),
        (
            lambda root: [shutil.rmtree(root / f"cam{c}/0007") for c in (3, 6)],
            "training identities 7 have images of one",
        ),
        (
            lambda root: (root / "exp/rand_perm_cam.mat").write_bytes(b"x"),
            "rand_perm_cam.mat: cannot be read as a MATLAB file",
        ),
    ],
)
def test_what_can_be_worked_with_is_a_warning(capsys, data, change, words):
    change(data / "sysu_mm01")
    code, _, error = check(capsys, data, "--dataset", "sysu_mm01")
    assert code == 0
    assert sum(words in line for line in error.splitlines()) == 1, error


def test_messy_but_right_images_and_files_are_accepted(capsys, data):
    folder = data / "sysu_mm01/cam1/0001"
    Image.fromarray(noise(77)[..., 0]).save(folder / "0001.jpg")
    Image.fromarray(noise(78)).convert("CMYK").save(folder / "0002.jpg")
    Image.fromarray(noise(79)).save(folder / "ünïcode name.PNG")
    for name in ("Thumbs.db", ".hidden.jpg", "notes.txt"):
        (folder / name).write_bytes(b"x")
    (data / "sysu_mm01/exp/train_id.txt").write_bytes("\ufeff1, 2,\r\n7,\r\n".encode())
    code, table, _ = check(capsys, data, "--dataset", "sysu_mm01")
    assert code == 0
    assert "│ 1      │ visible  │ 7 " in table


def test_a_folder_belongs_to_one_dataset(capsys, data):
    code, _, error = check(capsys, data, "--root", data / "regdb")
    assert code == 2
    assert "--dataset: missing" in error
    code, table, _ = check(capsys, data, "--root", data / "regdb", "--dataset", "regdb")
    assert code == 0
    assert "regdb, split 2" in table


def test_what_is_needed_without_check(capsys, data):
    code, _, error = run(capsys, "index-images", "--params", data / "params.yaml", "--dataset", "regdb")
    assert code == 2
    assert error == "csdn: index-images: --root, --index, --cache missing; give them, or --check\n"
