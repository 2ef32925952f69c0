"""Studies simulated from components of variance: how often the test over draws errs, and what it finds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from csdn.statistics.paired_tests import detectable_difference
from csdn.statistics.power import (
    Components,
    family_wise_rate,
    p_values,
    rates,
    simulated_values,
    variance_components,
)

TRIAL = Components(draw=0.3, seed=0.4, identity=7.0, residual=60.0)  # of the size that studies have, in points
SIZE = {"identities": 200, "seeds": 2}


def people(components: Components, draws: int, identities: int, seeds: int, generator: np.random.Generator):
    """Differences of every identity in every run, drawn one by one."""
    values = generator.normal(0, components.draw**0.5, (draws, 1, 1))
    values = values + generator.normal(0, components.seed**0.5, (draws, seeds, 1))
    values = values + generator.normal(0, components.identity**0.5, (draws, 1, identities))
    return values + generator.normal(0, components.residual**0.5, (draws, seeds, identities))


def as_frame(values: np.ndarray) -> pd.DataFrame:
    """As `Panel.differences` has them: a draw's people are nobody in the other draws."""
    draws, seeds, identities = values.shape
    frames = [
        pd.DataFrame(
            values[draw],
            index=pd.MultiIndex.from_product([[str(draw)], range(seeds)]),
            columns=pd.MultiIndex.from_product([[str(draw)], range(identities)]),
        )
        for draw in range(draws)
    ]
    return pd.concat(frames)


def test_components_are_those_drawn():
    generator = np.random.default_rng(1)
    large = Components(draw=9.0, seed=4.0, identity=7.0, residual=16.0)  # none is ever estimated below zero
    found = [variance_components(as_frame(people(large, 6, 60, 3, generator))) for _ in range(150)]
    assert np.mean(found, axis=0).tolist() == pytest.approx(list(large), rel=0.15)


def test_with_one_seed_draws_hold_the_variance_of_seeds():
    generator = np.random.default_rng(2)
    found = [variance_components(as_frame(people(TRIAL, 8, 80, 1, generator))) for _ in range(100)]
    draw, seed, identity, residual = np.mean(found, axis=0)
    assert (seed, residual) == (0, 0)
    assert draw == pytest.approx(TRIAL.draw + TRIAL.seed, rel=0.3)
    assert identity == pytest.approx(TRIAL.identity + TRIAL.residual, rel=0.1)


def test_one_draw_says_nothing_about_draws():
    assert variance_components(as_frame(people(TRIAL, 1, 20, 2, np.random.default_rng(3)))) is None


@pytest.mark.parametrize("draws", [3, 10])
def test_a_single_contrast_errs_as_often_as_it_says(draws: int):
    values = simulated_values(TRIAL, draws, **SIZE, studies=20_000, generator=np.random.default_rng(4))
    found = rates(values, difference=0.0, alpha=0.05)
    assert 0.04 <= found.false_positives <= 0.06
    assert 0.93 <= found.coverage <= 0.97
    assert found.power == found.false_positives  # where nothing differs, that is all it finds


def test_the_same_from_people_who_are_drawn_one_by_one():
    generator = np.random.default_rng(5)
    values = np.stack([people(TRIAL, 5, 60, 2, generator).mean(axis=(1, 2)) for _ in range(3000)])
    found = rates(values, difference=0.0, alpha=0.05)
    assert 0.04 <= found.false_positives <= 0.06
    assert 0.93 <= found.coverage <= 0.97


def test_no_contrast_of_the_primary_question_is_falsely_supported_too_often():
    """Two settings of three contrasts each at 2.5 %: at most 5 %, within the error of the simulation."""
    generator = np.random.default_rng(6)
    settings = [
        [simulated_values(TRIAL, 10, **SIZE, studies=20_000, generator=generator) for _ in range(3)] for _ in range(2)
    ]
    assert 0.04 <= family_wise_rate(settings, 0.025) <= 0.053
    assert np.mean([np.any([p_values(v) < 0.025 for s in settings for v in s], axis=0)]) > 0.1  # without the gate


def test_power_is_that_of_the_detectable_difference_and_grows_with_draws():
    std = TRIAL.of_a_draw(**SIZE) ** 0.5
    size = detectable_difference(std, 10, 0.025)
    power = {}
    for draws in (3, 5, 10):
        generator = np.random.default_rng(7)
        values = simulated_values(TRIAL, draws, **SIZE, studies=20_000, generator=generator)
        power[draws] = rates(values, size, 0.025).power
    assert power[10] == pytest.approx(0.8, abs=0.015)
    assert power[3] < power[5] < power[10]


def test_variants_that_never_differ_are_never_told_apart():
    values = simulated_values(Components(0, 0, 0, 0), 5, **SIZE, studies=10, generator=np.random.default_rng(8))
    assert rates(values, 0.0, 0.05) == (0.0, 1.0, 0.0)
