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


def test_one_run_has_no_spread():
    assert paired_tests.mean_and_std([0.4]) == (0.4, None)


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


def test_wilcoxon_is_scipy_s():
    differences = rng(3).normal(0.2, 1, size=70)
    assert paired_tests.wilcoxon_test(differences) == stats.wilcoxon(differences).pvalue
    assert paired_tests.wilcoxon_test(np.zeros(9)) == 1.0


@pytest.mark.parametrize("test", ["permutation", "wilcoxon"])
def test_false_positive_rate_of_the_identity_tests(test: str):
    """Per-identity AP differences are skewed mixtures with many near zero; equal variants give both signs alike."""
    generator = rng(7)
    found, simulations = 0, 1200
    for _ in range(simulations):
        spread = generator.gamma(0.7, 0.1, size=60)
        differences = spread * generator.normal(size=60)
        if test == "permutation":
            p = paired_tests.permutation_test(differences, generator, permutations=499)
        else:
            p = paired_tests.wilcoxon_test(differences)
        found += p < 0.05
    assert 0.03 <= found / simulations <= 0.07


@pytest.mark.parametrize(("seeds", "limit"), [(3, 0.085), (5, 0.07)])
@pytest.mark.parametrize("seed_std", [0.0, 0.02])
def test_crossed_test_keeps_its_rate_where_seeds_differ(seeds: int, limit: float, seed_std: float):
    """Identity tests call the luck of a seed a difference; with seeds as random samples it is not one."""
    generator = rng(8)
    found = []
    for _ in range(1500):
        differences = generator.normal(0, 0.05, size=(1, 60)) + generator.normal(0, 0.05, size=(seeds, 60))
        found.append(paired_tests.crossed_test(differences + generator.normal(0, seed_std, size=(seeds, 1))))
    assert np.mean(np.array(found) < 0.05) <= limit


def test_crossed_test_without_seed_spread_is_the_paired_t_test():
    """With equal seeds the only variance left is that of identities."""
    row = rng(9).normal(0.02, 0.05, size=60)
    p = paired_tests.crossed_test(np.stack([row, row, row]))
    assert p == pytest.approx(stats.ttest_1samp(row, 0).pvalue)


def test_crossed_test_needs_three_seeds():
    assert paired_tests.crossed_test(np.ones((2, 9))) is None
    assert paired_tests.crossed_test(np.zeros((3, 9))) == 1.0


def test_bootstrap_interval_is_the_obvious_loop():
    generator = rng(4)
    counts = generator.integers(0, 5, size=(12, 2)).astype(float)
    sums = counts * generator.uniform(size=(12, 2))
    weights = paired_tests.resampling_weights(12, 200, generator)
    means = []
    for resample in weights:
        drawn = np.repeat(np.arange(12), resample)
        ratios = [sums[drawn, j].sum() / counts[drawn, j].sum() for j in range(2) if counts[drawn, j].sum()]
        means.append(np.mean(ratios))
    expected = np.quantile(means, [0.025, 0.975])
    assert paired_tests.bootstrap_interval(sums, counts, weights) == pytest.approx(tuple(expected))


def test_bootstrap_interval_agrees_with_scipy():
    values = rng(5).beta(2, 2, size=80)
    weights = paired_tests.resampling_weights(80, 10_000, rng())
    interval = paired_tests.bootstrap_interval(values[:, None], np.ones((80, 1)), weights)
    expected = stats.bootstrap((values,), np.mean, method="percentile", rng=rng(1)).confidence_interval
    assert interval == pytest.approx(tuple(expected), abs=0.004)


def test_bootstrap_resamples_identities_not_queries():
    """Twenty equal queries of an identity are no more evidence than one."""
    values = rng(6).uniform(size=(30, 1))
    weights = paired_tests.resampling_weights(30, 2000, rng())
    once = paired_tests.bootstrap_interval(values, np.ones((30, 1)), weights)
    assert paired_tests.bootstrap_interval(20 * values, np.full((30, 1), 20.0), weights) == pytest.approx(once)


def test_effect_size_is_mean_over_std():
    values = rng(7).normal(0.5, 2, size=40)
    assert paired_tests.effect_size(values) == pytest.approx(values.mean() / stats.tstd(values))
    assert paired_tests.effect_size(np.ones(5)) is None
    assert paired_tests.effect_size(np.ones(1)) is None


def test_detectable_difference_is_found_with_its_power():
    generator = rng(11)
    spread = generator.normal(0, 0.1, size=100)
    size = paired_tests.detectable_difference(spread)
    assert size is not None
    found = [
        stats.ttest_1samp(generator.normal(size, spread.std(ddof=1), size=100), 0).pvalue < 0.05 for _ in range(1500)
    ]
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)
