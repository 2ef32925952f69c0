"""Rendered sets are complete, disjoint, deterministic and in the official layouts."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import loadmat

from csdn.config.benchmark import Benchmark, Population
from csdn.errors import UserError
from csdn.synthetic import GENERATOR, studio
from csdn.synthetic.attributes import ATTRIBUTES
from csdn.synthetic.layouts import MARKER, write_llcm, write_pretraining, write_regdb, write_sysu_mm01
from csdn.synthetic.shot_lists import draw_of, sysu_mm01_shots
from helpers.tiny_benchmark import TINY

WRITERS = {"sysu_mm01": write_sysu_mm01, "regdb": write_regdb, "llcm": write_llcm, "pretraining": write_pretraining}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered")
    for name, write in WRITERS.items():
        write(root / name, TINY)
    return root


@pytest.fixture(scope="module")
def tables(rendered):
    return {name: pd.read_parquet(rendered / name / "annotations.parquet") for name in WRITERS}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def numbers(path: Path) -> list[int]:
    return [int(text) for text in path.read_text().strip().split(",")]


@pytest.mark.parametrize("name", WRITERS)
def test_annotations_describe_every_image(rendered, tables, name):
    table = tables[name]
    assert set(ATTRIBUTES) <= set(table.columns) and not table.isna().any().any()
    if name == "pretraining":
        assert len(np.load(rendered / name / "images.npy")) == len(table)
    else:
        images = {
            p.relative_to(rendered / name).as_posix()
            for p in (rendered / name).rglob("*.*")
            if p.suffix in (".jpg", ".bmp")
        }
        assert images == set(table.path) and table.path.is_unique


def test_sysu_counts(tables):
    table = tables["sysu_mm01"]
    assert Counter(table.camera_id) == {1: 14, 2: 14, 4: 14, 5: 14, 3: 28, 6: 28}
    assert set(table[table.modality == "infrared"].camera_id) == {3, 6}
    path = table.path.str.extract(r"^cam(\d)/(\d{4})/(\d{4})\.jpg$").astype(int)
    assert (path[0] == table.camera_id).all() and (path[1] == table.person_id).all()


def test_sysu_lists(rendered, tables):
    exp = rendered / "sysu_mm01" / "exp"
    members = {name: numbers(exp / f"{name}_id.txt") for name in ("train", "val", "test", "available")}
    assert [len(members[name]) for name in ("train", "val", "test", "available")] == [4, 2, 3, 9]
    assert sorted(members["train"] + members["val"] + members["test"]) == members["available"] == list(range(1, 10))
    for name in members:
        assert loadmat(exp / f"{name}_id.mat")["id"].squeeze().tolist() == members[name]
    by_subset = tables["sysu_mm01"].groupby("subset").person_id.unique()
    assert all(sorted(by_subset[name]) == members[name] for name in ("train", "val", "test"))


def test_sysu_permutations_are_read_by_the_official_expression(rendered, tables):
    permutations = loadmat(rendered / "sysu_mm01" / "exp" / "rand_perm_cam.mat")["rand_perm_cam"]
    for (camera, person), group in tables["sysu_mm01"].groupby(["camera_id", "person_id"]):
        images = sorted(int(Path(path).stem) for path in group.path)
        for trial in range(10):
            drawn = permutations[camera - 1][0].squeeze()[person - 1][trial][:10]
            assert sorted(drawn.tolist()) == images


def test_permutations_leave_absent_people_empty(tmp_path, monkeypatch):
    shots = [shot for shot in sysu_mm01_shots(TINY) if (shot.camera_id, shot.person_id) not in {(1, 2), (3, 9)}]
    monkeypatch.setattr("csdn.synthetic.shot_lists.sysu_mm01_shots", lambda benchmark: shots)
    write_sysu_mm01(tmp_path / "sysu", TINY)
    permutations = loadmat(tmp_path / "sysu" / "exp" / "rand_perm_cam.mat")["rand_perm_cam"]
    assert permutations[0][0].squeeze()[1].size == 0 and permutations[2][0].squeeze()[8].size == 0
    assert permutations[0][0].squeeze()[0][9][:1].shape == (1,)


def test_regdb_lists(rendered):
    root = rendered / "regdb"
    halves = set()
    for split in range(1, 11):
        people = {}
        for subset in ("train", "test"):
            for side, folder in (("visible", "Visible"), ("thermal", "Thermal")):
                lines = [
                    line.split() for line in (root / "idx" / f"{subset}_{side}_{split}.txt").read_text().splitlines()
                ]
                assert all((root / path).is_file() and path.startswith(f"{folder}/") for path, _ in lines)
                assert {int(label) for _, label in lines} == {0, 1, 2} and len(lines) == 6
                people[subset, side] = {(int(path.split("/")[1]), label) for path, label in lines}
            assert people[subset, "visible"] == people[subset, "thermal"]
        train, test = ({person for person, _ in people[s, "visible"]} for s in ("train", "test"))
        assert not train & test and train | test == set(range(1, 7))
        halves.add(frozenset(train))
    assert len(halves) > 3


def test_llcm_lists(rendered, tables):
    root, table = rendered / "llcm", tables["llcm"]
    for name, cameras in (("vis", 9), ("nir", 8)):
        lines = [line.split() for line in (root / "idx" / f"train_{name}.txt").read_text().splitlines()]
        assert len(lines) == 2 * cameras and {label for _, label in lines} == {"0", "1"}
        assert all((root / path).is_file() for path, _ in lines)
    test_ids = numbers(root / "idx" / "test_id.txt")
    assert test_ids == sorted(table[table.subset == "test"].person_id.unique())
    assert all(
        (root / "test_nir" / f"cam{c}" / f"{i:04d}").is_dir() for c in (1, 2, 4, 5, 6, 7, 8, 9) for i in test_ids
    )
    assert not (root / "test_nir" / "cam3").exists() and (root / "test_vis" / "cam3").is_dir()


def test_pretraining(rendered, tables):
    images, table = np.load(rendered / "pretraining" / "images.npy"), tables["pretraining"]
    assert images.shape == (36, 64, 32, 3) and images.dtype == np.uint8
    assert set(table[table.subset == "train"].modality) == {"visible"}
    held_out = table[table.subset == "held_out"]
    assert held_out.groupby("person_id").modality.apply(sorted).tolist() == [["infrared", "visible"]] * 8
    assert table[table.subset == "train"].groupby("person_id").camera_id.nunique().min() == 2
    assert {"caption_0", "caption_1"} <= set(table.columns)


def test_sets_share_neither_people_nor_cameras(tables):
    for key in ("identity_key", "camera_key"):
        owners = {
            value: {name for name, table in tables.items() if value in set(table[key])}
            for table in tables.values()
            for value in table[key]
        }
        assert all(len(names) == 1 for names in owners.values())
    for name in ("sysu_mm01", "llcm", "pretraining"):
        assert tables[name].groupby("identity_key").subset.nunique().max() == 1
        assert tables[name].groupby("identity_key").person_id.nunique().max() == 1
        assert tables[name].groupby("person_id").identity_key.nunique().max() == 1


@pytest.mark.parametrize("name", WRITERS)
def test_same_seed_gives_the_same_bytes_with_any_number_of_workers(rendered, tmp_path, name, monkeypatch):
    monkeypatch.setattr("csdn.synthetic.studio._CHUNK_PIXELS", 20 * 64 * 32)
    done = []
    WRITERS[name](tmp_path / name, TINY, workers=2, progress=done.append)
    assert contents(tmp_path / name) == contents(rendered / name)
    assert len(done) > 1 and sum(done) == len(pd.read_parquet(tmp_path / name / "annotations.parquet"))


def test_another_seed_gives_other_people(rendered, tmp_path):
    write_regdb(tmp_path / "regdb", TINY.model_copy(update={"seed": 1}))
    assert (
        contents(tmp_path / "regdb")["Visible/1/visible_01.bmp"]
        != contents(rendered / "regdb")["Visible/1/visible_01.bmp"]
    )


FOUR = Benchmark(sysu_mm01=Population(train=2, val=0, test=2, train_images=1, test_images=1))


def test_draws_have_other_people_and_cameras_and_a_seed_repeats_them(tmp_path):
    for name, draw in (("one", "1"), ("again", "1"), ("two", "2")):
        write_sysu_mm01(tmp_path / name, draw_of(FOUR, draw))
    one, again, two = (contents(tmp_path / name) for name in ("one", "again", "two"))
    assert one == again
    images = [path for path in one if path.endswith(".jpg")]
    assert len(images) == 4 * 6 and images == [path for path in two if path.endswith(".jpg")]
    assert not {one[path] for path in images} & {two[path] for path in images}
    people, cameras = set(), set()
    for benchmark in (FOUR, draw_of(FOUR, "1"), draw_of(FOUR, "2")):
        maker, shots = studio.Studio(benchmark), sysu_mm01_shots(benchmark)
        people |= {repr(maker.identity(shot.identity_key)) for shot in shots}
        cameras |= {maker.camera(shot.camera_key, shot.spectrum).background.tobytes() for shot in shots}
    assert (len(people), len(cameras)) == (3 * 4, 3 * 6)


def test_the_marker_names_the_generator_and_its_settings(rendered):
    for name in WRITERS:
        assert json.loads((rendered / name / MARKER).read_text()) == {
            "generator": GENERATOR,
            **TINY.model_dump(mode="json"),
        }


def test_a_set_and_the_draws_in_its_folder_leave_each_other_alone(tmp_path):
    folder = tmp_path / "sysu_mm01"
    write_sysu_mm01(folder / "draw_1", draw_of(FOUR, "1"))
    draw = contents(folder / "draw_1")
    for seed in (0, 1):
        write_sysu_mm01(folder, FOUR.model_copy(update={"seed": seed}))
        assert contents(folder / "draw_1") == draw
    alone = {name: content for name, content in contents(folder).items() if not name.startswith("draw_1/")}
    write_sysu_mm01(folder / "draw_1", draw_of(FOUR, "2"))
    assert alone.items() <= contents(folder).items() and contents(folder / "draw_1") != draw
    assert [path.name for path in tmp_path.iterdir()] == ["sysu_mm01"]


def test_more_training_identities_leave_the_test_identities_alone(rendered, tables, tmp_path):
    larger = TINY.model_copy(update={"sysu_mm01": TINY.sysu_mm01.model_copy(update={"train": 6})})
    write_sysu_mm01(tmp_path / "sysu", larger)
    after = pd.read_parquet(tmp_path / "sysu" / "annotations.parquet")

    def pixels(root, table):
        row = table[(table.identity_key == "sysu_mm01/test/1") & (table.camera_id == 3)].iloc[0]
        return np.asarray(Image.open(root / row.path))

    assert np.array_equal(pixels(tmp_path / "sysu", after), pixels(rendered / "sysu_mm01", tables["sysu_mm01"]))


def test_a_rendered_set_is_replaced_only_after_success(tmp_path, monkeypatch):
    write_regdb(tmp_path / "regdb", TINY)
    before = contents(tmp_path / "regdb")
    monkeypatch.setattr("csdn.synthetic.layouts._write_annotations", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_regdb(tmp_path / "regdb", TINY.model_copy(update={"seed": 1}))
    assert contents(tmp_path / "regdb") == before and [p.name for p in tmp_path.iterdir()] == ["regdb"]
    monkeypatch.undo()
    write_regdb(tmp_path / "regdb", TINY.model_copy(update={"seed": 1}))
    assert contents(tmp_path / "regdb") != before and [p.name for p in tmp_path.iterdir()] == ["regdb"]


def test_folders_of_others_are_never_replaced(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / "cam1").mkdir()
    with pytest.raises(UserError, match=f"no {MARKER}"):
        write_sysu_mm01(real, TINY)
    assert (real / "cam1").is_dir()
    empty = tmp_path / "empty"
    empty.mkdir()
    write_regdb(empty, TINY)
    assert (empty / MARKER).is_file()


def test_llcm_has_no_validation_list(tmp_path):
    wrong = TINY.model_copy(update={"llcm": Population(train=2, val=1, test=2, train_images=1, test_images=1)})
    with pytest.raises(UserError, match=r"benchmark\.llcm\.val"):
        write_llcm(tmp_path / "llcm", wrong)
    assert not list(tmp_path.iterdir())


def test_jpegs_are_nearly_lossless(rendered):
    with Image.open(next((rendered / "sysu_mm01").glob("cam1/*/*.jpg"))) as image:
        assert image.mode == "RGB" and image.size == (32, 64)
        assert {factors[1:3] for factors in image.layer} == {(1, 1)}
        assert max(image.quantization[0]) <= 12
