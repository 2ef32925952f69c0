"""The primary question: one value a draw, tests in a fixed order, and verdicts that mean no more than these."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from csdn.statistics.comparison import Design, Row
from csdn.statistics.primary import primary_rows
from helpers.scores import precision, scores_of

SIZES = {"caption": 0.04, "csdn": 0.01, "centroid": 0.011}
SETTINGS = {"A": [("caption", "baseline"), ("csdn", "baseline"), ("csdn", "centroid")]}
LUCK = np.array([-0.4, 0.3, 0.1, -0.1, 0.2, -0.1])  # of each draw, in units of half a point


def rows(draws: int, settings: dict = SETTINGS, drawn: tuple[str, ...] = ("d",), seeds: int = 1) -> list[Row]:
    runs = {}
    for draw in range(1, draws + 1):
        for seed in range(seeds):
            runs["baseline", str(draw), seed] = precision(draw)
            for place, (variant, size) in enumerate(SIZES.items()):
                luck = 0.005 * np.roll(LUCK, place)[draw - 1]
                runs[variant, str(draw), seed] = precision(draw, size + luck + 0.002 * (seed - (seeds - 1) / 2))
    return primary_rows(scores_of(runs), "d", "sysu_all_single", settings, 0.025, Design(drawn=drawn))


def test_each_contrast_has_a_value_a_draw_and_the_t_test_over_them():
    control, method, _ = rows(6, seeds=2)
    assert list(control["by_draw"]) == list("123456")
    assert list(control["by_draw"].values()) == pytest.approx(0.04 + 0.005 * LUCK)
    expected = stats.ttest_1samp(0.04 + 0.005 * LUCK, 0.0)
    assert control["p"] == pytest.approx(expected.pvalue)
    assert (control["map_low"], control["map_high"]) == pytest.approx(tuple(expected.confidence_interval(0.975)))
    assert (control["draws"], control["seeds"], control["identities"]) == (6, 2, 180)
    assert (control["verdict"], method["verdict"]) == ("supported", "supported")
    assert 0 < control["detectable"] < 0.01


def test_a_contrast_behind_one_that_is_not_supported_is_not_tested():
    order = {"A": [("csdn", "centroid"), ("caption", "baseline")], "B": [("caption", "baseline")]}
    first, behind, other = rows(6, order)
    assert [row["verdict"] for row in (first, behind, other)] == ["not supported", "not tested", "supported"]
    assert first["p"] > 0.025
    assert behind["p"] is None
    assert behind["map_low"] is not None  # described all the same


def test_two_draws_give_values_and_no_verdict():
    found = rows(2)
    assert {row["verdict"] for row in found} == {"too few draws"}
    assert len(found[0]["by_draw"]) == 2
    assert {row[name] for row in found for name in ("p", "map_low", "map_high", "detectable")} == {None}


def test_splits_of_the_same_people_are_no_draws():
    found = rows(6, drawn=())
    assert {(row["draws"], row["verdict"]) for row in found} == {(0, "too few draws")}


def test_a_contrast_without_scores_closes_the_gate():
    missing, behind = rows(6, {"A": [("absent", "baseline"), ("caption", "baseline")]})
    assert (missing["verdict"], missing["map_difference"], missing["by_draw"]) == ("not run", None, {})
    assert behind["verdict"] == "not tested"


def test_what_was_not_run_is_not_run_behind_any_verdict():
    order = [("csdn", "centroid"), ("absent", "baseline"), ("caption", "baseline")]
    assert [row["verdict"] for row in rows(6, {"A": order})] == ["not supported", "not run", "not tested"]
    assert [row["verdict"] for row in rows(6, {"A": order[1:] + order[:1]})] == ["not run", "not tested", "not tested"]
    assert [row["verdict"] for row in rows(2, {"A": order})] == ["too few draws", "not run", "too few draws"]
