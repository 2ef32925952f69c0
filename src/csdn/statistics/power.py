"""Power of a benchmark: the smallest difference that its paired tests find, simulated from its own scores."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from csdn.statistics import paired_tests

Array = NDArray[np.float64]

STUDIES = 1_000  # number of simulated studies
STEPS = 12  # bisections of the range of the smallest difference


class Components(NamedTuple):
    """Variances of paired differences: of identities, of seeds, and residual (an identity in a run)."""

    identity: float
    seed: float
    residual: float


def variance_components(differences: Array) -> Components:
    """Components of (seeds, identities) differences by analysis of variance; negative estimates become 0.

    With a single seed the residual variance cannot be separated from that of identities, and is counted there.
    """
    seeds, identities = differences.shape
    if seeds < 2:
        return Components(float(differences.var(ddof=1)), 0.0, 0.0)
    of_seeds, of_identities, residual = paired_tests.mean_squares(differences)
    return Components(max(of_identities - residual, 0.0) / seeds, max(of_seeds - residual, 0.0) / identities, residual)


def smallest_found(
    components: Components,
    identities: int,
    seeds: int,
    generator: np.random.Generator,
    *,
    further_seeds: bool = False,
    power: float = 0.8,
    studies: int = STUDIES,
) -> float | None:
    """Smallest mean difference that a test at 5 % finds in a share `power` of simulated studies.

    A study draws normal identities and residuals with the variances of `components`. The test over identities (a paired
    t test on their means, equivalent to the permutation test at this size) is about the trained models, so seeds are
    only averaged; with `further_seeds`, seeds are drawn too and `crossed_test` is used.

    Returns:
        The difference, in the unit of the components' square roots; None if the test is impossible (too few seeds).
    """
    if further_seeds and seeds < paired_tests.MIN_SEEDS:
        return None
    shape = (studies, seeds, identities)
    drawn = generator.normal(0, components.identity**0.5, (studies, 1, identities))
    drawn = drawn + generator.normal(0, components.residual**0.5, shape)
    if further_seeds:
        drawn += generator.normal(0, components.seed**0.5, (studies, seeds, 1))

    def found(difference: float) -> float:
        if further_seeds:
            p = np.array([paired_tests.crossed_test(study + difference) for study in drawn])
        else:
            p = stats.ttest_1samp(drawn.mean(axis=1) + difference, 0.0, axis=1).pvalue
        return float(np.mean(p < paired_tests.SIGNIFICANCE))

    low, high = 0.0, 1e-6
    while found(high) < power:
        low, high = high, 2 * high
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= power else (middle, high)
    return high
