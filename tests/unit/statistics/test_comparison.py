from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from csdn.errors import UserError
from csdn.statistics import paired_tests
from csdn.statistics.comparison import Design, compare_pairs, compare_rows, panels, protocol_order, split_means
from csdn.statistics.scores import Scores
from helpers.scores import PEOPLE, precision, scores_of


def two_variants() -> dict[tuple[str, str, int], np.ndarray]:
    return {
        ("b", "default", 0): precision(1),
        ("b", "default", 1): precision(2),
        ("a", "default", 0): precision(1, 0.05) + 0.02 * np.sin(PEOPLE),
        ("a", "default", 1): precision(2, 0.07),
    }


def test_rows_have_means_over_seeds_in_table_order():
    rows = compare_rows(scores_of(two_variants()), ["b", "absent", "a"])
    assert [row["variant"] for row in rows] == ["b", "a"]
    maps = [precision(1).mean(), precision(2).mean()]
    assert rows[0]["map_mean"] == pytest.approx(np.mean(maps))
    assert rows[0]["map_std"] is None  # two runs say too little about the spread
    assert rows[0]["seeds"] == 2
    assert rows[0]["map_low"] < rows[0]["map_mean"] < rows[0]["map_high"]


def test_the_curve_of_matches_has_intervals_over_identities():
    (row,) = compare_rows(scores_of({("a", "default", 0): precision(1)}), ["a"])
    assert list(row["cmc_intervals"]) == ["1", "5", "10", "20"]
    for rank, (low, high) in row["cmc_intervals"].items():
        assert low < np.mean(precision(1) > 0.5 - int(rank) / 100) < high


def test_splits_spread_like_seeds():
    runs = {("a", split, 0): precision(n) for n, split in enumerate("123")}
    (row,) = compare_rows(scores_of(runs), ["a"])
    (untrained,) = compare_rows(scores_of(runs), ["a"], Design(untrained=["a"]))
    assert (untrained["map_mean"], untrained["map_std"]) == (row["map_mean"], None)
    maps = [precision(n).mean() for n in range(3)]
    assert (row["seeds"], row["splits"]) == (1, 3)
    assert row["map_std"] == pytest.approx(np.std(maps, ddof=1))


def test_one_run_has_no_spread():
    (row,) = compare_rows(scores_of({("a", "default", 3): precision(0)}), ["a"])
    assert row["map_std"] is None


def test_difference_is_paired_by_run_and_identity():
    (row,) = compare_pairs(scores_of(two_variants()), [("a", "b")])
    by_run = [(0.05 + 0.02 * np.sin(PEOPLE)).mean(), 0.07]
    assert row["map_by_run"] == pytest.approx(by_run)
    assert row["map_difference"] == pytest.approx(np.mean(by_run))
    assert row["map_low"] < row["map_difference"] < row["map_high"]
    assert row["map_high"] - row["map_low"] < 0.02  # the spread of identities cancels in the pairs
    assert row["p"] == paired_tests.FLOOR


def test_opposite_pair_has_the_opposite_difference():
    forth, back = compare_pairs(scores_of(two_variants()), [("a", "b"), ("b", "a")])
    assert back["map_difference"] == pytest.approx(-forth["map_difference"])
    assert (back["map_low"], back["map_high"]) == pytest.approx((-forth["map_high"], -forth["map_low"]))


def test_only_common_runs_are_compared():
    runs = two_variants() | {("a", "default", 2): precision(9, 0.3)}
    (row,) = compare_pairs(scores_of(runs), [("a", "b")])
    assert row["seeds"] == 2
    del runs["b", "default", 0], runs["b", "default", 1]
    assert compare_pairs(scores_of(runs), [("a", "b")]) == []


def test_a_further_pair_changes_no_test_and_widens_the_intervals():
    runs = two_variants() | {("c", "default", 0): precision(1, 0.001) + 0.03 * np.cos(PEOPLE)}
    alone = compare_pairs(scores_of(runs), [("a", "b")])[0]
    first, _ = compare_pairs(scores_of(runs), [("a", "b"), ("c", "b")])
    assert first["p"] == alone["p"]
    assert first["map_low"] < alone["map_low"] < alone["map_high"] < first["map_high"]


def test_what_the_primary_question_tests_has_no_second_p_value():
    decided = {("d", "sysu_all_single", frozenset(("b", "a")))}
    (row,) = compare_pairs(scores_of(two_variants()), [("a", "b")], Design(), decided)
    assert (row["p"], row["test"]) == (None, None)


def test_repeated_splits_get_the_corrected_test_from_three_on():
    runs = {(v, split, 0): precision(n, 0.01 * n * (v == "a")) for n, split in enumerate("1234") for v in "ab"}
    design = Design(training_identities={"d": 60})
    (row,) = compare_pairs(scores_of(runs), [("a", "b")], design)
    expected = paired_tests.resampled_test([0.0, 0.01, 0.02, 0.03], len(PEOPLE) / 60)
    assert (row["test"], row["p"]) == ("resampled_t", pytest.approx(expected.p))
    assert row["identities"] == len(PEOPLE)
    few = {key: value for key, value in runs.items() if key[1] in "12"}
    assert compare_pairs(scores_of(few), [("a", "b")], design)[0]["test"] == "permutation"


def test_people_of_draws_are_different_people():
    runs = {(v, split, seed): precision(n, 0.01 * (v == "a") * n) for n, split in enumerate(("2", "10")) for v in "ab"
            for seed in (0, 1)}  # fmt: skip
    (row,) = compare_pairs(scores_of(runs), [("a", "b")], Design(drawn=["d"]))
    assert row["identities"] == 2 * len(PEOPLE)
    assert row["test"] == "permutation"
    (panel,) = panels(scores_of(runs), ["a", "b"], Design(drawn=["d"]))
    assert (panel.weights[:, panel.strata == 0].sum(axis=1) == len(PEOPLE)).all()
    assert split_means(panel.differences("a", "b")) == pytest.approx({"2": 0.0, "10": 0.01})
    assert list(split_means(panel.differences("a", "b"))) == ["2", "10"]


def test_protocols_do_not_mix():
    plain, official = two_variants(), two_variants()
    one, two = scores_of(plain), scores_of(official, "sysu_all_single-official")
    both = Scores(pd.concat([one.runs, two.runs]), pd.concat([one.identities, two.identities]))
    rows = compare_rows(both, ["b", "a"])
    assert [row["protocol"] for row in rows] == ["sysu_all_single"] * 2 + ["sysu_all_single-official"] * 2
    assert [row["seeds"] for row in rows] == [2] * 4


def test_scores_of_different_queries_are_not_paired():
    scores = scores_of(two_variants())
    first = scores.identities.index[scores.identities["variant"] == "a"][0]
    scores.identities.loc[first, "queries"] = 1
    with pytest.raises(UserError, match="different queries"):
        compare_pairs(scores, [("a", "b")])


def test_protocol_order_follows_the_dataset_then_the_alphabet():
    rows = [{"protocol": name} for name in ("b-official", "a", "b")]
    assert protocol_order(rows, ["b", "a"]) == ["b", "a", "b-official"]
