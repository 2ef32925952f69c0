from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from csdn.errors import UserError
from csdn.reporting.tables import (
    PRIMARY_KIND,
    ROW_KIND,
    descriptive_p,
    headline_metrics,
    p_value,
    percent,
    to_latex,
    to_markdown,
)
from helpers.result_tree import Tree, compare, make_params, write_results

START = "dataset,protocol,variant,seeds,map_mean,map_std,rank_1_mean,rank_1_std,rank_5_mean"


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_csv_has_the_promised_columns_and_order(tree: Tree):
    path = tree.results / "tables" / "components.csv"
    assert path.read_text().startswith(START)
    rows = read(path)
    order = list(tree.params.tables["components"].variants)
    keys = [(row["dataset"], row["protocol"], order.index(row["variant"])) for row in rows]
    assert keys == sorted(keys)
    assert len(rows) == 2 * 6 + 2 * 2


def test_csv_holds_fractions_and_the_spread_only_where_known(tree: Tree):
    rows = read(tree.results / "tables" / "components.csv")
    assert all(0 <= float(row["map_mean"]) <= 1 for row in rows)
    assert {row["map_std"] for row in rows} == {""}  # two seeds, or two splits, say too little
    assert all(float(row["map_low"]) < float(row["map_mean"]) < float(row["map_high"]) for row in rows)


def test_spread_is_shown_from_three_runs_on_and_for_what_is_trained(tmp_path: Path):
    params = make_params(tmp_path, seeds=[0, 1, 2])
    compare(params, write_results(params), tmp_path / "tables")
    rows = {(row["dataset"], row["variant"]): row for row in read(tmp_path / "tables" / "components.csv")}
    assert {name: bool(row["map_std"]) for (dataset, name), row in rows.items() if dataset == "sysu_mm01"} == {
        name: name != "clip_init" for name in params.variants
    }
    assert not rows["regdb", "csdn"]["map_std"]
    shown = (tmp_path / "tables" / "components.md").read_text()
    assert "±" in next(line for line in shown.splitlines() if "| csdn |" in line and "sysu" in line)
    assert "±" not in next(line for line in shown.splitlines() if "| clip_init |" in line)


def test_differences_have_their_own_files(tree: Tree):
    rows = read(tree.results / "tables" / "components_differences.csv")
    pairs = {(row["a"], row["b"]) for row in rows if row["dataset"] == "regdb"}
    assert pairs == {("csdn", "baseline")}
    for row in rows:
        assert len(row["map_by_run"].split()) == 2
        assert float(row["map_low"]) <= float(row["map_difference"]) <= float(row["map_high"])
    tested = {(row["protocol"], row["a"], row["b"]): row["p"] != "" for row in rows}
    assert not tested["sysu_all_single", "csdn", "baseline"]  # by the primary question
    assert tested["sysu_all_multi", "csdn", "baseline"]
    assert tested["sysu_all_single", "csdn", "mspl"]


def test_the_primary_question_has_its_own_files(tree: Tree):
    rows = read(tree.results / "tables" / "primary.csv")
    assert [(row["setting"], row["a"], row["b"]) for row in rows] == [
        ("default weights", "csdn", "permuted_text"),
        ("default weights", "csdn", "baseline"),
    ]
    assert {(row["verdict"], row["p"]) for row in rows} == {("too few draws", "")}
    for ending in ("md", "tex"):
        assert "too few draws" in (tree.results / "tables" / f"primary.{ending}").read_text()


def test_json_holds_runs_and_match_curves(tree: Tree):
    content = json.loads((tree.results / "tables" / "components.json").read_text())
    row = content["rows"][0]
    assert content["caption"] == "What each component adds"
    assert len(row["runs"]) == 2
    assert len(row["cmc"]) == 20
    assert row["cmc"] == sorted(row["cmc"])


def test_metrics_file_holds_the_first_protocol_of_each_dataset(tree: Tree):
    metrics = json.loads((tree.results / "tables" / "metrics.json").read_text())
    rows = {(r["dataset"], r["protocol"], r["variant"]): r for r in read(tree.results / "tables" / "components.csv")}
    own = metrics["sysu_mm01"]["sysu_all_single"]["csdn"]
    assert own["map"] == pytest.approx(float(rows["sysu_mm01", "sysu_all_single", "csdn"]["map_mean"]))
    assert own["minp"] == pytest.approx(float(rows["sysu_mm01", "sysu_all_single", "csdn"]["minp_mean"]))
    assert set(own) == {"map", "rank_1", "minp"}
    assert list(metrics["sysu_mm01"]) == ["sysu_all_single"]


def test_metrics_leave_out_re_ranking_and_further_protocols_but_not_what_was_selected_on_test():
    names = ["regdb_infrared_to_visible", "regdb_visible_to_infrared", "regdb_visible_to_infrared-reranked"]
    runs = pd.DataFrame(
        [["regdb", name, "a", 0.5, 0.25, 0.125] for name in [*names, f"{names[1]}-selected_on_test"]]
        + [["regdb", names[1], "a", 0.7, 0.75, 0.375]],
        columns=["dataset", "protocol", "variant", "map", "rank_1", "minp"],
    )
    metrics = headline_metrics(SimpleNamespace(runs=runs))
    assert metrics == {
        "regdb": {
            names[1]: {"a": {"map": 0.6, "rank_1": 0.5, "minp": 0.25}},
            f"{names[1]}-selected_on_test": {"a": {"map": 0.5, "rank_1": 0.25, "minp": 0.125}},
        }
    }


def test_markdown_and_latex_show_percent(tree: Tree):
    table = json.loads((tree.results / "tables" / "components.json").read_text())
    mean = table["rows"][0]["map_mean"]
    assert f"| {100 * mean:.1f} |" in (tree.results / "tables" / "components.md").read_text()
    latex = (tree.results / "tables" / "components.tex").read_text()
    assert rf"& {100 * mean:.1f} &" in latex
    assert r"clip\_init" in latex
    assert "\N{MINUS SIGN}" not in latex


def test_same_scores_give_the_same_bytes(tree: Tree, tmp_path: Path):
    for path in compare(tree.params, reversed(tree.scores), tmp_path):
        assert path.read_bytes() == (tree.results / "tables" / path.name).read_bytes(), path.name


def test_every_table_of_the_settings_is_written(tree: Tree, tmp_path: Path):
    tables = {
        "one": {"caption": "x", "variants": ["csdn"]},
        "two": {"caption": "y", "variants": ["mspl", "csdn"], "differences": [("csdn", "mspl")]},
    }
    params = make_params(tmp_path, tables=tables)
    written = {path.name for path in compare(params, tree.scores, tmp_path / "tables")}
    expected = {f"{name}.{kind}" for name in ("one", "two", "two_differences") for kind in ("csv", "md", "tex", "json")}
    assert written == expected | {"metrics.json"}


def test_nothing_is_written_when_a_score_is_missing(tree: Tree, tmp_path: Path):
    with pytest.raises(UserError, match="no such file"):
        compare(tree.params, [*tree.scores, tmp_path / "none.json"], tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_no_table_is_an_error(tree: Tree, tmp_path: Path):
    with pytest.raises(UserError, match="tables"):
        compare(make_params(tmp_path, tables={}), tree.scores, tmp_path)


def test_cells():
    assert percent(0.4716, 0.0051) == "47.2 ± 0.5"
    assert percent(-0.0123, sign=True) == "\N{MINUS SIGN}1.2"
    assert percent(-0.0001, sign=True) == "0.0"
    assert percent(None) == ""
    assert p_value(0.0004) == "0.0004"
    assert p_value(0.00004) == "<0.0001"
    assert p_value(None) == ""
    assert descriptive_p({"p": 0.0001, "test": "permutation"}) == "\N{LESS-THAN OR EQUAL TO}0.0001"
    assert descriptive_p({"p": 0.0001, "test": "resampled_t"}) == "0.0001"
    assert descriptive_p({"p": None, "test": None}) == ""


def test_empty_tables_are_readable():
    assert "No scores" in to_markdown("caption", [], ROW_KIND)
    assert r"\bottomrule" in to_latex("50 % & more", [], PRIMARY_KIND)
    assert r"50 \% \& more" in to_latex("50 % & more", [], PRIMARY_KIND)
