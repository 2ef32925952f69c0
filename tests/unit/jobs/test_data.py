"""make-dataset and index-images of a dataset with draws: each draw is rendered, indexed, checked and used by itself."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from csdn.artifacts.records import RECORD
from csdn.errors import UserError
from csdn.steps.input_checks import check_inputs
from csdn.synthetic import GENERATOR
from helpers.refusals import refused, run

PEOPLE = {"train": 2, "val": 0, "test": 2, "train_images": 1, "test_images": 1}
SETTINGS = {
    "datasets": {"sysu": {"layout": "sysu_mm01", "splits": ["1", "2"]}},
    "benchmark": {"sysu_mm01": PEOPLE},
    "variants": {"csdn": {"encoder": {"identities": 2, "images": 2}}},
}


@pytest.fixture
def draws(tmp_path, capsys, monkeypatch):
    """A folder with two rendered and indexed draws, made by the commands."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(SETTINGS))
    for draw in "12":
        of_draw = ("--params", "params.yaml", "--dataset", "sysu", "--split", draw)
        folder = f"data/raw/sysu/draw_{draw}"
        code, _, error = run(capsys, "make-dataset", *of_draw, "--output", f"{folder}/annotations.parquet")
        assert code == 0, error
        files = ("--index", f"{draw}.parquet", "--cache", f"{draw}.npy")
        code, _, error = run(capsys, "index-images", *of_draw, "--root", folder, *files)
        assert code == 0, error
    return tmp_path


def record(path: str) -> dict:
    return json.loads(Path(path + RECORD).read_text())["parameters"]


def test_a_draw_has_an_index_of_its_own_split(draws):
    for draw in "12":
        index = pd.read_parquet(f"{draw}.parquet")
        assert [name for name in index if name.startswith("subset")] == [f"subset_{draw}"]
        assert index.groupby(f"subset_{draw}")["person_id"].nunique().to_dict() == {"train": 2, "test": 2}
        assert record(f"{draw}.parquet")["splits"] == [draw]
        rendered = record(f"data/raw/sysu/draw_{draw}/annotations.parquet")
        assert (rendered["split"], rendered["generator"]) == (draw, GENERATOR)


def test_the_files_of_another_draw_are_refused(draws):
    files = {"index": draws / "1.parquet", "captions": draws / "data/raw/sysu/draw_1/annotations.parquet"}
    check_inputs({"dataset": "sysu", "split": "1"}, files)
    with pytest.raises(UserError) as caught:
        check_inputs({"dataset": "sysu", "split": "2"}, files)
    lines = str(caught.value).splitlines()
    assert len(lines) == 2 and all("was made with split '1', not '2'" in line for line in lines)


def test_every_draw_is_checked_or_the_one_that_is_named(draws, capsys):
    check = ("index-images", "--check", "--params", "params.yaml")
    code, table, error = run(capsys, *check)
    assert (code, error) == (0, "")
    assert "sysu, split 1" in table and "sysu, split 2" in table
    code, table, _ = run(capsys, *check, "--dataset", "sysu", "--split", "2")
    assert code == 0 and "sysu, split 1" not in table and "sysu, split 2" in table


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("make-dataset", "--dataset", "sysu", "--output", "annotations.parquet"), "--split: missing; give one of 1"),
        (("index-images", "--dataset", "sysu", "--root", ".", "--index", "i", "--cache", "c"), "--split: missing"),
        (("index-images", "--check", "--split", "1"), "--dataset: missing; give one of sysu"),
        (("index-images", "--check", "--dataset", "sysu", "--split", "3"), "--split 3: unknown; known: 1, 2"),
        (("index-images", "--check", "--dataset", "susy"), "--dataset susy: unknown; known: sysu"),
        (("index-images", "--check", "--dataset", "sysu", "--root", "."), "--split: missing; --root . is the folder"),
    ],
)
def test_which_draw_is_meant_has_to_be_said(tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(SETTINGS))
    assert words in refused(capsys, arguments[0], "--params", "params.yaml", *arguments[1:])
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]
