"""The state of all tables in the terminal: complete, unfinished, and without settings."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from csdn.cli.main import main
from csdn.errors import UserError
from csdn.reporting.overview import current_tables, print_tables
from helpers.result_tree import make_params, write_results


@pytest.fixture
def params(tree):
    return tree.params


def test_means_and_spreads_are_those_of_the_score_files(params):
    entry = current_tables(Path(params.runtime.results), params)[0]
    row = next(row for row in entry["rows"] if row["runs"] > 1)
    runs = Path(params.runtime.results).glob(f"{entry['dataset']}/*/runs/{row['variant']}/*/scores")
    values = [json.loads((run / f"{entry['protocol']}.json").read_text())["metrics"]["map"] for run in runs]
    assert (row["runs"], row["planned"]) == (len(values), len(values))
    assert row["map"] == {"mean": pytest.approx(np.mean(values)), "std": None}  # two runs


def test_spread_is_shown_from_three_runs_on_and_for_what_is_trained(tmp_path):
    params = make_params(tmp_path, seeds=[0, 1, 2])
    write_results(params)
    entry = next(one for one in current_tables(tmp_path / "results", params) if one["dataset"] == "sysu_mm01")
    known = {row["variant"]: row["map"]["std"] is not None for row in entry["rows"]}
    assert known == {name: name != "clip_init" for name in params.variants}


def test_what_is_not_scored_yet_is_shown_as_missing(params, tmp_path, capsys):
    results = tmp_path / "results"
    shutil.copytree(params.runtime.results, results)
    dataset = next(iter(params.datasets))
    variant = params.variants_of(dataset)[-1]
    for file in results.glob(f"{dataset}/*/runs/{variant}/*/scores/*"):
        file.unlink()
    entries = current_tables(results, params)
    rows = [row for entry in entries if entry["dataset"] == dataset for row in entry["rows"]]
    missing = next(row for row in rows if row["variant"] == variant)
    assert (missing["runs"], missing["map"]) == (0, {"mean": None, "std": None})
    assert missing["planned"] > 0
    print_tables(entries, params)
    assert f"0/{missing['planned']}" in capsys.readouterr().out


def test_without_settings_every_variant_is_in_one_table(params, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["show", params.runtime.results, "--json"])
    assert ended.value.code == 0
    entries = json.loads(capsys.readouterr().out)
    assert {entry["table"] for entry in entries} == {"all variants"}
    assert {row["variant"] for entry in entries for row in entry["rows"]} <= set(params.variants)


def test_a_folder_without_scores_is_reported(tmp_path):
    with pytest.raises(UserError, match="has no scores yet"):
        current_tables(tmp_path)
