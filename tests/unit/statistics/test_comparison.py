from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from csdn.errors import UserError
from csdn.statistics.comparison import compare_pairs, compare_rows, protocol_order, supported
from csdn.statistics.scores import MARKED_RANKS, METRICS, Scores

PEOPLE = np.arange(1, 31)


def scores_of(runs: dict[tuple[str, str, int], np.ndarray], protocol: str = "sysu_all_single") -> Scores:
    """Scores in which an identity has two queries of the AP given for (variant, split, seed)."""
    rows, identities = [], []
    for (variant, split, seed), precision in runs.items():
        key = {"dataset": "d", "protocol": protocol, "variant": variant, "split": split, "seed": seed}
        rows.append(key | dict.fromkeys(METRICS, 0.5) | {"map": precision.mean(), "cmc": np.linspace(0.5, 1, 20)})
        frame = {"person_id": PEOPLE, "queries": 2, "average_precision": 2 * precision}
        frame |= {f"rank_{k}": 2.0 * (precision > 0.5 - k / 100) for k in MARKED_RANKS}
        identities.append(pd.DataFrame(frame | key))
    return Scores(pd.DataFrame(rows), pd.concat(identities, ignore_index=True))


def precision(seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.6, size=len(PEOPLE)) + shift


def two_variants() -> dict[tuple[str, str, int], np.ndarray]:
    return {
        ("b", "default", 0): precision(1),
        ("b", "default", 1): precision(2),
        ("a", "default", 0): precision(1, 0.05) + 0.02 * np.sin(PEOPLE),
        ("a", "default", 1): precision(2, 0.07),
    }


def test_rows_have_mean_and_spread_over_seeds_in_table_order():
    rows = compare_rows(scores_of(two_variants()), ["b", "absent", "a"])
    assert [row["variant"] for row in rows] == ["b", "a"]
    maps = [precision(1).mean(), precision(2).mean()]
    assert rows[0]["map_mean"] == pytest.approx(np.mean(maps))
    assert rows[0]["map_std"] == pytest.approx(np.std(maps, ddof=1))
    assert rows[0]["seeds"] == 2
    assert rows[0]["map_low"] < rows[0]["map_mean"] < rows[0]["map_high"]
    assert rows[0]["p_above"] is None
    assert rows[1]["above"] == "b"
    assert rows[1]["p_above"] < 0.01


def test_the_curve_of_matches_has_intervals_over_identities():
    (row,) = compare_rows(scores_of({("a", "default", 0): precision(1)}), ["a"])
    assert list(row["cmc_intervals"]) == ["1", "5", "10", "20"]
    for rank, (low, high) in row["cmc_intervals"].items():
        assert low < np.mean(precision(1) > 0.5 - int(rank) / 100) < high


def test_splits_spread_like_seeds():
    runs = {("a", split, 0): precision(n) for n, split in enumerate("123")}
    (row,) = compare_rows(scores_of(runs), ["a"])
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
    assert row["map_std"] == pytest.approx(np.std(by_run, ddof=1))
    assert row["map_low"] < row["map_difference"] < row["map_high"]
    assert row["map_high"] - row["map_low"] < 0.02  # the spread of identities cancels in the pairs
    assert supported(row)


def test_opposite_pair_has_the_opposite_difference_and_no_other_verdict():
    forth, back = compare_pairs(scores_of(two_variants()), [("a", "b"), ("b", "a")])
    assert back["map_difference"] == pytest.approx(-forth["map_difference"])
    assert back["effect_size"] == pytest.approx(-forth["effect_size"])


def test_only_common_runs_are_compared():
    runs = two_variants() | {("a", "default", 2): precision(9, 0.3)}
    (row,) = compare_pairs(scores_of(runs), [("a", "b")])
    assert row["seeds"] == 2
    del runs["b", "default", 0], runs["b", "default", 1]
    assert compare_pairs(scores_of(runs), [("a", "b")]) == []


def test_runs_that_disagree_about_the_sign_support_nothing():
    runs = two_variants()
    runs["a", "default", 1] = precision(2, -0.001)
    (row,) = compare_pairs(scores_of(runs), [("a", "b")])
    assert row["p_permutation_holm"] < 0.05
    assert not supported(row)


def test_p_values_are_corrected_within_the_table():
    runs = two_variants() | {("c", "default", 0): precision(1, 0.001)}
    alone = compare_pairs(scores_of(runs), [("a", "b")])[0]
    first, second = compare_pairs(scores_of(runs), [("a", "b"), ("c", "b")])
    assert first["p_permutation"] == alone["p_permutation"]  # a further pair changes no test, only the correction
    assert first["p_permutation_holm"] == pytest.approx(min(1, 2 * first["p_permutation"]))
    assert second["p_permutation_holm"] >= first["p_permutation_holm"]


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
