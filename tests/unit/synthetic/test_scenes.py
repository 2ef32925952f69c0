"""Backgrounds."""

from typing import get_args

import numpy as np
import pytest

from csdn.synthetic.scenes import Spectrum, fractal_noise, sample_scene


@pytest.mark.parametrize("spectrum", get_args(Spectrum))
def test_scenes_are_textured_and_in_range(spectrum):
    for seed in range(12):
        scene, horizon = sample_scene(np.random.default_rng(seed), spectrum, 64, 32)
        assert scene.shape == (128, 128, 3) and 0 < horizon < 128
        assert np.isfinite(scene).all() and scene.min() >= 0 and scene.max() <= 255
        assert scene[..., 0].std() > 1
        assert spectrum == "visible" or np.array_equal(scene[..., 0], scene[..., 2])


def test_noise_is_bounded_and_smooth():
    field = fractal_noise(np.random.default_rng(0), 60, 80, period=20, octaves=1)
    assert field.shape == (60, 80) and np.abs(field).max() < 1.5
    assert np.abs(np.diff(field, axis=0)).max() < 0.35


def test_a_wider_period_is_smoother():
    rough, smooth = (fractal_noise(np.random.default_rng(0), 60, 60, period, octaves=1) for period in (5, 40))
    assert np.abs(np.diff(smooth)).mean() < 0.3 * np.abs(np.diff(rough)).mean()


def test_thermal_scenes_are_colder_and_have_less_contrast_than_near_infrared_ones():
    """Heat of a wall hardly differs from that of the ground, while lamps show every joint."""
    near, heat = (
        [sample_scene(np.random.default_rng(n), spectrum, 32, 16)[0] for n in range(12)]
        for spectrum in ("near_infrared", "thermal")
    )
    assert np.mean(heat) < np.mean(near)
    assert np.mean([scene.std() for scene in heat]) < 0.6 * np.mean([scene.std() for scene in near])
