"""Results whose epoch was chosen on the test set: labelled in every table and caption, never compared with others."""

import json
from contextlib import nullcontext

import pandas as pd
import pytest

from csdn.config.tracking import Tracking
from csdn.figures.catalogue import figure_entries
from csdn.results.scores import read_scores
from csdn.study.labels import comparable, selection_note
from csdn.tracking.scores import track_scores
from helpers.result_tree import compare, make_params, write_images, write_score

WORDS = "selected on the test set"
NAME = "sysu_all_single-selected_on_test"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selected")
    chosen = {"encoder": {"selection": "best_on_test", "validate_every": 1}}
    params = make_params(
        folder,
        datasets={"sysu_mm01": {"layout": "sysu_mm01", "trials": 2, "variants": ["baseline", "csdn"], "seeds": [0]}},
        variants={"baseline": {"encoder": {"text": "none"}}, "csdn": chosen, "mspl": {"fusion": {"kind": "none"}}},
        evaluation={"protocols": ["sysu_all_single"]},
        tables={"t": {"caption": "A table", "variants": ["baseline", "csdn"], "differences": [["csdn", "baseline"]]}},
    )
    index = write_images(params, "sysu_mm01", 12, 4)
    files = []
    for variant, label in (("baseline", {}), ("csdn", {"selected_on_test": True})):
        place = ("sysu_mm01", "default", variant, 0, "sysu_all_single")
        files.append(write_score(folder / "runs" / variant, index, *place, **label))
    compare(params, files, folder / "tables")
    return params, files, folder / "tables"


def test_such_runs_have_a_protocol_of_their_own(made):
    runs = read_scores(made[1]).runs.set_index("variant")["protocol"]
    assert runs.to_dict() == {"baseline": "sysu_all_single", "csdn": NAME}


def test_every_table_and_its_caption_say_so(made):
    folder = made[2]
    rows = json.loads((folder / "t.json").read_text())
    assert {row["variant"]: row["protocol"] for row in rows["rows"]} == {"baseline": "sysu_all_single", "csdn": NAME}
    assert WORDS in rows["caption"]
    assert pd.read_csv(folder / "t.csv").set_index("variant")["protocol"]["csdn"] == NAME
    for suffix in ("md", "tex"):
        text = (folder / f"t.{suffix}").read_text()
        (row,) = [line for line in text.splitlines() if "csdn" in line]
        assert WORDS in row
        assert WORDS in text.split("baseline")[0], "the caption stands above the rows"
    assert list(json.loads((folder / "metrics.json").read_text())["sysu_mm01"][NAME]) == ["csdn"]


def test_they_are_tested_against_no_other_run(made):
    assert json.loads((made[2] / "t_differences.json").read_text())["rows"] == []


def test_captions_of_figures_name_them(made):
    figures = {figure.kind: figure.caption for figure in figure_entries(made[0])}
    assert "differences" not in figures
    for kind in ("components", "matches", "training", "ranks"):
        assert "Selected on the test set: csdn." in figures[kind], kind
    assert "Selected" not in figures["contact_sheet"]


def test_the_note_is_for_what_is_shown(made):
    params = made[0]
    assert selection_note(params, ["baseline", "mspl"]) == ""
    assert comparable(params, "baseline", "mspl")
    assert not comparable(params, "csdn", "mspl")


def test_tracked_metrics_carry_the_label(made, monkeypatch):
    logged = []

    class Run:
        def metrics(self, values):
            logged.extend(values)

    monkeypatch.setattr("csdn.tracking.scores.open_tracker", lambda *a, **k: nullcontext(Run()))
    track_scores(Tracking(backend="none"), made[1])
    by_csdn = {name for name in logged if name.startswith(NAME)}
    assert f"{NAME}/map" in by_csdn
    assert {name for name in logged if name.endswith("/map")} == {f"{NAME}/map", "sysu_all_single/map"}
