"""Means, spreads, intervals and paired tests over runs, identities and draws: arrays in, numbers out.

Three sources of chance need three tools. Draws have people, cameras and trainings of their own: only `draws_test`, with
one value a draw, speaks for people and trainings that nobody has seen. Splits of the same people share them:
`resampled_test` corrects for it. Identities of one test set belong to the models that were trained: what resamples or
permutes them (`resampling_weights`, `studentised`, `permutation_test`) holds for these models only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Array = NDArray[np.float64]

LEVEL = 0.95  # coverage of every interval over identities
POWER = 0.8  # of the detectable difference
BOOTSTRAP_RESAMPLES = 10_000
PERMUTATIONS = 9_999
FLOOR = 1 / (1 + PERMUTATIONS)  # smallest p-value that so many random permutations can give
MIN_RUNS = 3  # fewer give no spread worth printing
MIN_DRAWS = 3  # fewer say nothing about further draws


class MeanTest(NamedTuple):
    """A mean difference with the ends of its interval and its two-sided p-value."""

    mean: float
    low: float
    high: float
    p: float


def mean_and_std(values: Sequence[float] | Array) -> tuple[float, float | None]:
    """Mean and sample standard deviation (ddof 1) over (runs,), at least one; None for fewer than MIN_RUNS."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()), float(array.std(ddof=1)) if array.size >= MIN_RUNS else None


def draws_test(differences: Sequence[float] | Array, level: float = LEVEL) -> MeanTest | None:
    """Two-sided one-sample t-test over draws, the replicates of a study, with its interval.

    Args:
        differences: (draws,) one value a draw: the mean over its identities, averaged over its seeds.
        level: coverage of the interval.

    Returns:
        None with fewer than MIN_DRAWS draws.
    """
    return _t_test(differences, 0.0, level)


def resampled_test(differences: Sequence[float] | Array, test_to_train: float, level: float = LEVEL) -> MeanTest | None:
    """Corrected resampled t-test over repeated splits of the same people.

    Splits share people, so their values are correlated, and a plain t-test finds too much. The correction replaces the
    factor 1/J of the variance of the mean by 1/J + test/train (Nadeau and Bengio, Machine Learning 52, 2003, 239-281).

    Args:
        differences: (splits,) one value a split.
        test_to_train: number of a split's test identities divided by that of its training identities.
        level: coverage of the interval.

    Returns:
        None with fewer than MIN_DRAWS splits.
    """
    return _t_test(differences, test_to_train, level)


def _t_test(differences: Sequence[float] | Array, shared: float, level: float) -> MeanTest | None:
    values = np.asarray(differences, dtype=np.float64)
    if values.size < MIN_DRAWS:
        return None
    mean, freedom = float(values.mean()), values.size - 1
    error = float(values.std(ddof=1) * np.sqrt(1 / values.size + shared))
    if error < 1e-15:  # equal values up to rounding
        return MeanTest(mean, mean, mean, float(abs(mean) < 1e-15))
    half = float(stats.t.isf((1 - level) / 2, freedom)) * error
    return MeanTest(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom)))


def detectable_difference(std: float, draws: int, alpha: float, power: float = POWER) -> float | None:
    """Smallest mean difference that `draws_test` finds at `alpha` in a share `power` of studies.

    Args:
        std: standard deviation of the values of draws.
        draws: number of draws.
        alpha: level of the test.
        power: share of studies.

    Returns:
        None with fewer than MIN_DRAWS draws, which cannot be tested.
    """
    if draws < MIN_DRAWS:
        return None
    freedom = draws - 1
    limit = stats.t.isf(alpha / 2, freedom)

    def missing(shift: float) -> float:  # the opposite tail of a two-sided test is empty at such a power
        return float(stats.nct.sf(limit, freedom, shift)) - power

    return float(optimize.brentq(missing, 0.0, limit + 20.0, xtol=1e-6)) * std / float(np.sqrt(draws))


def gatekeep(p_values: Sequence[float | None], alpha: float) -> list[bool | None]:
    """Fixed-sequence test: each hypothesis at the full `alpha`, but only while all before it were supported.

    Source: W. Maurer, L. A. Hothorn and W. Lehmacher, Biometrie in der chemisch-pharmazeutischen Industrie 6 (1995).

    Args:
        p_values: in the order fixed beforehand; None: cannot be tested, which closes the gate.
        alpha: level of the whole sequence.

    Returns:
        Whether each is supported; None where the gate was closed or there is no p-value.
    """
    decisions: list[bool | None] = []
    is_open = True
    for p in p_values:
        decisions.append(p < alpha if is_open and p is not None else None)
        is_open = decisions[-1] is True
    return decisions


def resampling_weights(strata: NDArray[np.int64], resamples: int, generator: np.random.Generator) -> NDArray[np.int16]:
    """How often each resample draws each identity: (resamples, identities).

    Args:
        strata: (identities,) number of the group, such as a draw, within which an identity is resampled.
        resamples: number of resamples.
        generator: source of the random numbers.
    """
    weights = np.empty((resamples, strata.size), dtype=np.int16)
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        weights[:, own] = generator.multinomial(own.size, np.full(own.size, 1.0 / own.size), size=resamples)
    return weights


def resampled(weights: NDArray[np.int16], values: Array) -> Array:
    """Weighted sums (resamples, columns) of values (identities, columns), in blocks: floats are four times as large."""
    blocks = np.array_split(weights, max(1, weights.size // 4_000_000))
    return np.concatenate([block.astype(np.float64) @ values for block in blocks])


def bootstrap_interval(sums: Array, counts: Array, weights: NDArray[np.int16]) -> tuple[float, float]:
    """Percentile interval (LEVEL) of a mean over queries, resampling identities (cluster bootstrap).

    Args:
        sums: (identities, splits) sum of the quantity over an identity's queries in each split; 0 where it has none.
        counts: (identities, splits) number of those queries.
        weights: (resamples, identities) from `resampling_weights`; variants with the same matrix have paired resamples.

    Returns:
        Lower and upper end of the mean over splits of `sum / count`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        means = resampled(weights, sums) / resampled(weights, counts)  # (resamples, splits)
    drawn = ~np.isnan(means)
    means = np.where(drawn, means, 0.0).sum(axis=1)[drawn.any(axis=1)] / drawn.sum(axis=1)[drawn.any(axis=1)]
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def influences(sums: Array, counts: Array) -> Array:
    """(identities,) by how much each identity moves the mean over splits of `sum / count`; they add up to zero.

    Args:
        sums: (identities, splits) sum of the quantity over an identity's queries in each split; 0 where it has none.
        counts: (identities, splits) number of those queries; a split without any is left out.
    """
    scored = counts.sum(axis=0) > 0
    sums, counts = sums[:, scored], counts[:, scored]
    totals = counts.sum(axis=0)
    return np.asarray(((sums - counts * (sums.sum(axis=0) / totals)) / totals).mean(axis=1))


def studentised(moves: Array, strata: NDArray[np.int64], weights: NDArray[np.int16]) -> tuple[Array, Array]:
    """Standard errors of several means, and the largest studentised deviation of any of them in each resample.

    The quantile of the latter is the factor of intervals that hold for all means at once (max-T; Westfall and Young,
    Resampling-based multiple testing, 1993). Identities that share a stratum are resampled within it.

    Args:
        moves: (identities, means) from `influences`.
        strata: (identities,) as in `resampling_weights`.
        weights: (resamples, identities) from `resampling_weights`.

    Returns:
        Standard errors (means,) and deviations (resamples,).
    """
    variances = np.zeros(moves.shape[1])
    shifts, spreads = np.zeros((2, len(weights), moves.shape[1]))
    for stratum in np.unique(strata):
        own = strata == stratum
        size, chosen = int(own.sum()), moves[own]
        factor = size / max(size - 1, 1)
        sums = resampled(weights[:, own], np.concatenate([chosen, chosen**2], axis=1))
        shift, squares = np.split(sums, 2, axis=1)
        variances += factor * (chosen**2).sum(axis=0)
        shifts += shift
        spreads += factor * (squares - shift**2 / size)
    errors = np.sqrt(np.maximum(spreads, 0.0))
    deviations = np.divide(np.abs(shifts), errors, out=np.zeros_like(errors), where=errors > 1e-15)
    return np.sqrt(variances), deviations.max(axis=1)


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
