from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from csdn.errors import UserError
from csdn.results.scores import read_scores
from helpers.result_tree import make_params, write_images, write_score


@pytest.fixture
def score(tmp_path: Path) -> Path:
    params = make_params(tmp_path)
    index = write_images(params, "sysu_mm01", identities=6, training=2)
    return write_score(tmp_path / "run", index, "sysu_mm01", "default", "csdn", 0, "sysu_all_single")


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_one_row_a_run_and_one_an_identity(score: Path):
    scores = read_scores([score])
    assert len(scores.runs) == 1
    assert scores.runs.loc[0, "protocol"] == "sysu_all_single"
    assert scores.runs.loc[0, "map"] == json.loads(score.read_text())["metrics"]["map"]
    assert len(scores.identities) == 6
    queries = pd.read_parquet(score.with_suffix(".parquet"))
    assert scores.identities["queries"].sum() == len(queries)
    assert scores.runs.loc[0, "cmc"][0] == pytest.approx(scores.runs.loc[0, "rank_1"])


@pytest.mark.parametrize(
    ("changes", "protocol"),
    [
        ({"gallery": "official"}, "sysu_all_single-official"),
        ({"reranked": True}, "sysu_all_single-reranked"),
        ({"gallery": "official", "reranked": True}, "sysu_all_single-official-reranked"),
        ({"protocol": "sysu_all_single-official", "gallery": "official"}, "sysu_all_single-official"),
    ],
)
def test_official_and_reranked_scores_have_a_protocol_of_their_own(score: Path, changes: dict, protocol: str):
    change(score, **changes)
    assert read_scores([score]).runs.loc[0, "protocol"] == protocol


def test_no_file(score: Path):
    with pytest.raises(UserError, match="no score file"):
        read_scores([])


def test_same_run_twice(score: Path, tmp_path: Path):
    copy = tmp_path / "copy.json"
    copy.write_bytes(score.read_bytes())
    copy.with_suffix(".parquet").write_bytes(score.with_suffix(".parquet").read_bytes())
    with pytest.raises(UserError, match="same run as"):
        read_scores([score, copy])


def test_missing_parquet_names_the_file(score: Path):
    score.with_suffix(".parquet").unlink()
    with pytest.raises(UserError, match=r"sysu_all_single\.parquet: no such file"):
        read_scores([score])


def test_json_of_another_run_is_noticed(score: Path):
    metrics = json.loads(score.read_text())["metrics"]
    change(score, metrics=metrics | {"map": metrics["map"] / 2})
    with pytest.raises(UserError, match="its Parquet file gives"):
        read_scores([score])


@pytest.mark.parametrize("value", [None, 47.2, -0.1, "0.4"])
def test_metric_that_is_no_fraction(score: Path, value: object):
    change(score, metrics=json.loads(score.read_text())["metrics"] | {"rank_5": value})
    with pytest.raises(UserError, match=r"metrics\.rank_5"):
        read_scores([score])


def test_other_json(score: Path):
    score.write_text("[1, 2]")
    with pytest.raises(UserError, match="no key 'dataset'"):
        read_scores([score])


def test_parquet_without_a_column(score: Path):
    path = score.with_suffix(".parquet")
    pd.read_parquet(path).drop(columns="first_match_rank").to_parquet(path)
    with pytest.raises(UserError, match="no column 'first_match_rank'"):
        read_scores([score])
