"""What a study over draws would find: components of variance from its scores, and studies simulated from them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from csdn.statistics.comparison import split_means
from csdn.statistics.paired_tests import Array

STUDIES = 20_000  # number of simulated studies


class Components(NamedTuple):
    """Variances of a paired difference: of draws, of seeds in a draw, of identities in a draw, and residual.

    The residual is that of an identity in a run.
    """

    draw: float
    seed: float
    identity: float
    residual: float

    def of_a_draw(self, identities: int, seeds: int) -> float:
        """Variance of the value of a draw: the mean over its identities and seeds."""
        return self.draw + self.seed / seeds + self.identity / identities + self.residual / (identities * seeds)


class Rates(NamedTuple):
    """How a test over draws does in simulated studies, as shares of them.

    Attributes:
        false_positives: p below 0.05 where nothing differs.
        coverage: its 95 % interval holds the true difference.
        power: p below the level of the study where the true difference is the one given.
    """

    false_positives: float
    coverage: float
    power: float


def variance_components(differences: pd.DataFrame) -> Components | None:
    """Components from `Panel.differences` by analysis of variance; negative estimates become 0.

    With one seed a draw, the variance of seeds is counted in that of draws, and the residual in that of identities.
    None with fewer than two draws, or identities in a draw, which have no variance.
    """
    draws = [group.dropna(axis=1).to_numpy() for _, group in differences.groupby(level=0)]
    if min(len(draws), *(draw.shape[1] for draw in draws)) < 2:
        return None
    seed, identity, residual = np.mean([_within(draw) for draw in draws], axis=0)
    seeds, identities = np.mean([draw.shape for draw in draws], axis=0)
    between = float(np.var(list(split_means(differences).values()), ddof=1))
    inside = Components(0.0, seed, identity, residual).of_a_draw(identities, seeds)
    return Components(max(between - inside, 0.0), float(seed), float(identity), float(residual))


def simulated_values(
    components: Components, draws: int, identities: int, seeds: int, studies: int, generator: np.random.Generator
) -> Array:
    """(studies, draws) values of draws of studies in which nothing differs.

    People are nested in draws. Only their means enter the test, and means of normal numbers are normal, so means are
    drawn in their place.
    """
    return generator.normal(0.0, components.of_a_draw(identities, seeds) ** 0.5, (studies, draws))


def rates(values: Array, difference: float, alpha: float) -> Rates:
    """How the test does in studies (studies, draws) from `simulated_values`, which are shifted by `difference`."""
    draws = values.shape[1]
    half = stats.t.isf(0.025, draws - 1) * values.std(axis=1, ddof=1) / draws**0.5
    inside = np.abs(values.mean(axis=1)) <= half
    return Rates(
        false_positives=float(np.mean(p_values(values) < 0.05)),
        coverage=float(np.mean(inside)),
        power=float(np.mean(p_values(values + difference) < alpha)),
    )


def family_wise_rate(settings: Sequence[Sequence[Array]], alpha: float) -> float:
    """Largest share of studies with any false `supported`, over how many contrasts of each setting are real.

    Real contrasts are so large that they are always supported, which opens the gate for those that are not: the worst
    case. Settings are simulated independently, although they share draws, which is the worst case too.

    Args:
        settings: of each setting, the values (studies, draws) of each contrast from `simulated_values`.
        alpha: level of each setting.
    """
    wrong = [[p_values(values) < alpha for values in contrasts] for contrasts in settings]
    worst = 0.0
    for real in range(max(len(contrasts) for contrasts in wrong)):  # further ones are tested only after a false one
        first = [contrasts[real] for contrasts in wrong if real < len(contrasts)]
        worst = max(worst, float(np.mean(np.any(first, axis=0))))
    return worst


def p_values(values: Array) -> Array:
    """p-value of the test over draws of each study (studies, draws)."""
    draws, means = values.shape[1], np.abs(values.mean(axis=1))
    errors = values.std(axis=1, ddof=1) / draws**0.5
    shifts = np.divide(means, errors, out=np.where(means > 0, np.inf, 0.0), where=errors > 0)
    return np.asarray(2 * stats.t.sf(shifts, draws - 1))


def _within(differences: Array) -> tuple[float, float, float]:
    """Variances of seeds, identities and residuals of one draw's differences (seeds, identities)."""
    seeds, identities = differences.shape
    if seeds < 2:
        return 0.0, float(differences.var(ddof=1)), 0.0
    of_seeds, of_identities, residual = mean_squares(differences)
    return max(of_seeds - residual, 0.0) / identities, max(of_identities - residual, 0.0) / seeds, residual


def mean_squares(differences: Array) -> tuple[float, float, float]:
    """Mean squares of seeds, identities and residuals of differences (seeds, identities), at least two of each."""
    seeds, identities = differences.shape
    mean = differences.mean()
    by_seed, by_identity = differences.mean(axis=1), differences.mean(axis=0)
    residuals = differences - by_seed[:, None] - by_identity[None, :] + mean
    of_seeds = identities * np.sum((by_seed - mean) ** 2) / (seeds - 1)
    of_identities = seeds * np.sum((by_identity - mean) ** 2) / (identities - 1)
    return float(of_seeds), float(of_identities), float(np.sum(residuals**2) / ((seeds - 1) * (identities - 1)))
