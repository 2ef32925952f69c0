"""Means, standard deviations, intervals and paired tests over seeds and identities: arrays in, numbers out.

Queries of one identity are not independent, so identities, not queries, are resampled and tested. The interval and the
tests over identities hold for the trained models only; only `crossed_test` generalises to further seeds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

LEVEL = 0.95  # coverage of every interval
SIGNIFICANCE = 0.05  # a corrected p-value below it counts as support
BOOTSTRAP_RESAMPLES = 10_000
PERMUTATIONS = 9_999
MIN_SEEDS = 3  # fewer do not allow a statement about further seeds


def mean_and_std(values: Sequence[float] | Array) -> tuple[float, float | None]:
    """Mean and sample standard deviation (ddof 1) over (runs,), at least one; None for one run: unknown spread."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if array.size > 1 else None


def resampling_weights(identities: int, resamples: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """How often each resample draws each identity: (resamples, identities), rows sum to `identities`."""
    return generator.multinomial(identities, np.full(identities, 1.0 / identities), size=resamples)


def bootstrap_interval(sums: Array, counts: Array, weights: NDArray[np.int64]) -> tuple[float, float]:
    """Percentile interval (LEVEL) of a mean over queries, resampling identities (cluster bootstrap).

    Args:
        sums: (identities, splits) sum of the quantity over an identity's queries in each split; 0 where it has none.
        counts: (identities, splits) number of those queries.
        weights: (resamples, identities) from `resampling_weights`; variants with the same matrix have paired resamples.

    Returns:
        Lower and upper end of the mean over splits of `sum / count`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ sums) / (weights @ counts)  # (resamples, splits)
    drawn = ~np.isnan(means)
    means = np.where(drawn, means, 0.0).sum(axis=1)[drawn.any(axis=1)] / drawn.sum(axis=1)[drawn.any(axis=1)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def wilcoxon_test(differences: Array) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test on paired differences (identities,); 1 if all are zero."""
    if not np.any(differences):
        return 1.0
    return float(stats.wilcoxon(differences, zero_method="wilcox").pvalue)


def permutation_test(differences: Array, generator: np.random.Generator, permutations: int = PERMUTATIONS) -> float:
    """Two-sided p-value that the mean of paired differences is zero, by flipping their signs.

    If there are at most `permutations` sign patterns, all are counted; otherwise random ones and the observed one, so
    that the p-value is never 0 (Phipson and Smyth 2010).

    Args:
        differences: (identities,) paired differences, one for each identity.
        generator: source of the random signs.
        permutations: number of random sign patterns.
    """
    n = differences.size
    observed = abs(differences.sum())
    tolerance = 1e-12 * max(np.abs(differences).sum(), 1e-300)  # equal sums must count as ties in any order of addition
    if 2**n <= permutations + 1:
        patterns = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        sums = np.abs((1.0 - 2.0 * patterns) @ differences)
        return float(np.mean(sums >= observed - tolerance))
    signs = generator.integers(0, 2, size=(permutations, n), dtype=np.int8)
    sums = np.abs((1.0 - 2.0 * signs) @ differences)
    return float((1 + np.count_nonzero(sums >= observed - tolerance)) / (1 + permutations))


def crossed_test(differences: Array) -> float | None:
    """Two-sided p-value of a mean difference when seeds *and* identities are random samples.

    Seeds correspond to the readers and identities to the cases of a multi-reader multi-case study: crossed random
    effects, non-negative variance components and Satterthwaite's degrees of freedom (Dorfman, Berbaum and Metz 1992;
    Hillis, Statistics in Medicine 26, 2007, 596-619). It distinguishes a difference between methods from one between
    the few models that happened to be trained. In simulations without a difference, at a level of 5 %, it found one in
    3 to 8 % of cases with three seeds and in 4 to 6 % with five, but in up to 11 % with two, so two give None.

    Args:
        differences: (seeds, identities) paired differences.

    Returns:
        The p-value; None with fewer than MIN_SEEDS seeds or two identities.
    """
    seeds, identities = differences.shape
    if seeds < MIN_SEEDS or identities < 2:
        return None
    mean = differences.mean()
    of_seeds, of_identities, of_residuals = mean_squares(differences)
    of_seeds = max(of_seeds, of_residuals)
    scale = of_seeds + max(of_identities - of_residuals, 0.0)
    if scale <= 1e-24:
        return 1.0 if abs(mean) <= 1e-12 else 0.0
    parts = of_seeds**2 / (seeds - 1) + of_identities**2 / (identities - 1)
    freedom = scale**2 / (parts + of_residuals**2 / ((seeds - 1) * (identities - 1)))
    return float(2 * stats.t.sf(abs(mean) / np.sqrt(scale / (seeds * identities)), freedom))


def mean_squares(differences: Array) -> tuple[float, float, float]:
    """Mean squares of seeds, identities and residuals of differences (seeds, identities), at least two of each."""
    seeds, identities = differences.shape
    mean = differences.mean()
    by_seed, by_identity = differences.mean(axis=1), differences.mean(axis=0)
    residuals = differences - by_seed[:, None] - by_identity[None, :] + mean
    of_seeds = identities * np.sum((by_seed - mean) ** 2) / (seeds - 1)
    of_identities = seeds * np.sum((by_identity - mean) ** 2) / (identities - 1)
    return float(of_seeds), float(of_identities), float(np.sum(residuals**2) / ((seeds - 1) * (identities - 1)))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction of one family of p-values; None (no test) stays None and is not counted.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6 (1979) 65-70.
    """
    tested = [i for i, p in enumerate(p_values) if p is not None]
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(tested, key=lambda i: p_values[i] or 0.0)):
        largest = max(largest, min(1.0, (len(tested) - rank) * (p_values[i] or 0.0)))
        corrected[i] = largest
    return corrected


def effect_size(differences: Array) -> float | None:
    """Mean of paired differences in units of their standard deviation (Cohen's d_z); None if that is zero."""
    if differences.size < 2:
        return None
    std = float(differences.std(ddof=1))
    return float(differences.mean()) / std if std > 0 else None


def detectable_difference(differences: Array) -> float | None:
    """Smallest mean difference that a two-sided paired test finds with 80 % power, by the normal approximation.

    Of the paired `differences` (identities,) only the spread is used.
    """
    if differences.size < 2:
        return None
    quantiles = stats.norm.isf(SIGNIFICANCE / 2) + stats.norm.isf(1 - 0.8)
    return float(quantiles * differences.std(ddof=1) / np.sqrt(differences.size))
