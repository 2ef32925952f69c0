from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from csdn.statistics import paired_tests


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_mean_and_std_are_the_sample_s():
    values = [0.41, 0.44, 0.39]
    assert paired_tests.mean_and_std(values) == pytest.approx((np.mean(values), stats.tstd(values)))


def test_fewer_than_three_runs_have_no_spread():
    assert paired_tests.mean_and_std([0.4]) == (0.4, None)
    assert paired_tests.mean_and_std([0.4, 0.6]) == (0.5, None)


def test_draws_are_tested_as_by_scipy():
    values = rng(12).normal(0.01, 0.006, size=10)
    found = paired_tests.draws_test(values, level=0.975)
    expected = stats.ttest_1samp(values, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.975)))
    assert found.mean == pytest.approx(values.mean())


def test_two_draws_are_not_tested_and_equal_ones_are_no_error():
    assert paired_tests.draws_test([0.1, 0.2]) is None
    assert paired_tests.draws_test([0.1, 0.1, 0.1]) == pytest.approx((0.1, 0.1, 0.1, 0.0))
    assert paired_tests.draws_test([0.0, 0.0, 0.0]) == (0.0, 0.0, 0.0, 1.0)


def test_repeated_splits_are_corrected_as_by_hand():
    """Nadeau and Bengio: mean 2, variance 1, three splits with as many test as training people: t = 2 / sqrt(4 / 3)."""
    found = paired_tests.resampled_test([1.0, 2.0, 3.0], test_to_train=1.0)
    t = 2 / (4 / 3) ** 0.5
    assert found.p == pytest.approx(1 - t / (2 + t**2) ** 0.5)  # two-sided, of Student's t with two degrees of freedom
    assert found.high - found.mean == pytest.approx(4.302653 * (4 / 3) ** 0.5)
    plain = paired_tests.draws_test([1.0, 2.0, 3.0])
    assert paired_tests.resampled_test([1.0, 2.0, 3.0], test_to_train=0.0) == plain
    assert paired_tests.resampled_test([1.0, 2.0], 1.0) is None


def test_the_gate_closes_behind_the_first_that_is_not_supported():
    assert paired_tests.gatekeep([0.001, 0.02, 0.03, 0.001], 0.025) == [True, True, False, None]
    assert paired_tests.gatekeep([0.001, None, 0.001], 0.025) == [True, None, None]
    assert paired_tests.gatekeep([], 0.025) == []


@pytest.mark.parametrize("draws", [3, 5, 10])
def test_the_detectable_difference_is_found_with_its_power(draws: int):
    size = paired_tests.detectable_difference(0.6, draws, 0.025)
    studies = rng(11).normal(size, 0.6, size=(20_000, draws))
    assert np.mean(stats.ttest_1samp(studies, 0.0, axis=1).pvalue < 0.025) == pytest.approx(0.8, abs=0.01)
    assert paired_tests.detectable_difference(0.6, 2, 0.025) is None


def test_holm_is_the_obvious_step_down():
    def obvious(ps: list[float]) -> list[float]:
        return [
            max(min(1.0, p * sum(q >= p for q in ps)) for p in ps if p <= own)  # each smaller hypothesis goes first
            for own in ps
        ]

    ps = rng().uniform(0, 0.2, size=9).tolist()
    assert paired_tests.holm(ps) == pytest.approx(obvious(ps))
    assert paired_tests.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


def test_holm_skips_what_was_not_tested():
    assert paired_tests.holm([None, 0.02, None, 0.5]) == [None, 0.04, None, 0.5]
    assert paired_tests.holm([]) == []


def test_permutation_test_is_exact_for_few_identities():
    differences = rng(1).normal(0.3, 1, size=8)
    signs = itertools.product([1, -1], repeat=8)
    obvious = np.mean([abs(np.dot(s, differences)) >= abs(differences.sum()) - 1e-9 for s in signs])
    assert paired_tests.permutation_test(differences, rng()) == pytest.approx(obvious)
    scipy_p = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert paired_tests.permutation_test(differences, rng()) == pytest.approx(scipy_p)


def test_permutation_test_agrees_with_scipy_for_many_identities():
    differences = rng(2).normal(0.15, 1, size=120)
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=9999, rng=rng(5)
    ).pvalue
    assert paired_tests.permutation_test(differences, rng()) == pytest.approx(expected, abs=0.02)


def test_permutation_test_of_nothing_is_one_and_never_zero():
    assert paired_tests.permutation_test(np.zeros(50), rng()) == 1.0
    assert paired_tests.permutation_test(np.ones(50), rng(), permutations=99) == 0.01


def test_false_positive_rate_of_the_permutation_test():
    """Per-identity AP differences are skewed mixtures with many near zero; equal variants give both signs alike."""
    generator = rng(7)
    found, simulations = 0, 1200
    for _ in range(simulations):
        spread = generator.gamma(0.7, 0.1, size=60)
        differences = spread * generator.normal(size=60)
        found += paired_tests.permutation_test(differences, generator, permutations=499) < 0.05
    assert 0.03 <= found / simulations <= 0.07


def test_bootstrap_interval_is_the_obvious_loop():
    generator = rng(4)
    counts = generator.integers(0, 5, size=(12, 2)).astype(float)
    sums = counts * generator.uniform(size=(12, 2))
    weights = paired_tests.resampling_weights(np.zeros(12, dtype=np.int64), 200, generator)
    means = []
    for resample in weights:
        drawn = np.repeat(np.arange(12), resample)
        ratios = [sums[drawn, j].sum() / counts[drawn, j].sum() for j in range(2) if counts[drawn, j].sum()]
        means.append(np.mean(ratios))
    expected = np.quantile(means, [0.025, 0.975])
    assert paired_tests.bootstrap_interval(sums, counts, weights) == pytest.approx(tuple(expected))


def test_bootstrap_interval_agrees_with_scipy():
    values = rng(5).beta(2, 2, size=80)
    weights = paired_tests.resampling_weights(np.zeros(80, dtype=np.int64), 10_000, rng())
    interval = paired_tests.bootstrap_interval(values[:, None], np.ones((80, 1)), weights)
    expected = stats.bootstrap((values,), np.mean, method="percentile", rng=rng(1)).confidence_interval
    assert interval == pytest.approx(tuple(expected), abs=0.004)


def test_bootstrap_resamples_identities_not_queries():
    """Twenty equal queries of an identity are no more evidence than one."""
    values = rng(6).uniform(size=(30, 1))
    weights = paired_tests.resampling_weights(np.zeros(30, dtype=np.int64), 2000, rng())
    once = paired_tests.bootstrap_interval(values, np.ones((30, 1)), weights)
    assert paired_tests.bootstrap_interval(20 * values, np.full((30, 1), 20.0), weights) == pytest.approx(once)


def test_identities_are_resampled_within_their_draw():
    strata = np.array([0, 0, 1, 1, 1])
    weights = paired_tests.resampling_weights(strata, 100, rng(8))
    assert (weights[:, :2].sum(axis=1) == 2).all()
    assert (weights[:, 2:].sum(axis=1) == 3).all()
    assert weights.min() == 0


def test_influences_and_errors_are_those_of_plain_means():
    values = rng(9).normal(size=(40, 2))
    moves = np.stack([paired_tests.influences(column[:, None], np.ones((40, 1))) for column in values.T], axis=1)
    assert moves.sum(axis=0) == pytest.approx(0, abs=1e-12)
    strata = np.zeros(40, dtype=np.int64)
    weights = paired_tests.resampling_weights(strata, 50, rng(9))
    errors, deviations = paired_tests.studentised(moves, strata, weights)
    assert errors == pytest.approx(stats.sem(values))
    drawn = np.stack([values[np.repeat(np.arange(40), resample)] for resample in weights])
    expected = np.abs(drawn.mean(axis=1) - values.mean(axis=0)) / stats.sem(drawn, axis=1)
    assert deviations == pytest.approx(expected.max(axis=1))


def test_intervals_of_several_means_hold_at_once():
    """Five correlated differences of two draws' people: all true means lie in their intervals in 95 % of studies."""
    generator = rng(10)
    strata, held = np.repeat([0, 1], 60), []
    counts = np.stack([strata == 0, strata == 1], axis=1).astype(float)
    weights = paired_tests.resampling_weights(strata, 999, generator)
    for _ in range(1000):
        people = generator.gamma(0.7, 0.1, (120, 1)) * generator.normal(size=(120, 1))
        values = people + 0.1 * generator.normal(size=(120, 5))
        moves = np.stack([paired_tests.influences(column[:, None] * counts, counts) for column in values.T], axis=1)
        errors, deviations = paired_tests.studentised(moves, strata, weights)
        held.append(np.all(np.abs(values.mean(axis=0)) <= np.quantile(deviations, 0.95) * errors))
    assert 0.93 <= np.mean(held) <= 0.97
