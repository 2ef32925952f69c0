"""Photographs: right sizes, everyone can be seen, infrared is grey, views vary in every camera."""

from typing import get_args

import numpy as np
import pytest

from csdn.synthetic.attributes import sample_identity
from csdn.synthetic.cameras import contrast, photograph, sample_camera
from csdn.synthetic.hours import NOON, Hour, sample_hour
from csdn.synthetic.scenes import Spectrum

SMALL = (64, 32)


def take(spectrum, seed, size=SMALL, occlusion=0.0, camera_seed=0, hour=NOON):
    camera = sample_camera(np.random.default_rng([1, camera_seed]), spectrum, size)
    person = sample_identity(np.random.default_rng([2, seed]), 0.4)
    return photograph(person, camera, np.random.default_rng([3, seed]), occlusion, hour)


@pytest.mark.parametrize("size", [(64, 32), (128, 64), (256, 128), (50, 26)])
@pytest.mark.parametrize("spectrum", get_args(Spectrum))
def test_sizes(spectrum, size):
    photo = take(spectrum, 0, size)
    assert photo.pixels.shape == (*size, 3) and photo.pixels.dtype == np.uint8
    assert photo.mask.shape == size and photo.mask.min() >= 0 and photo.mask.max() == 1
    assert 0.08 < photo.mask.mean() < 0.6


@pytest.mark.parametrize("spectrum", ["near_infrared", "thermal"])
def test_infrared_is_grey(spectrum):
    pixels = take(spectrum, 0).pixels
    assert np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2])


def test_visible_has_colors():
    pixels = take("visible", 0).pixels.astype(int)
    assert np.abs(pixels[..., 0] - pixels[..., 2]).max() > 20


@pytest.mark.parametrize(("spectrum", "least"), [("near_infrared", 18), ("thermal", 22), ("visible", 12)])
def test_nobody_vanishes(spectrum, least):
    contrasts = [contrast(p.pixels, p.mask) for p in (take(spectrum, n, camera_seed=n % 12) for n in range(240))]
    assert min(contrasts) > least


@pytest.mark.parametrize("night", [0, 1])
def test_nobody_vanishes_at_any_hour(night):
    hours = [sample_hour(np.random.default_rng([4, n]), night) for n in range(240)]
    photos = (take("visible", n, camera_seed=n % 12, hour=hour) for n, hour in enumerate(hours))
    assert min(contrast(photo.pixels, photo.mask) for photo in photos) > 12


def test_nights_are_darker_than_days_and_as_frequent_as_asked():
    hours = [sample_hour(np.random.default_rng([4, n]), 0.2) for n in range(1000)]
    dark = np.array([hour.falloff > 0 for hour in hours])
    assert 0.16 < dark.mean() < 0.24
    means = np.array([take("visible", n, hour=hour).pixels.mean() for n, hour in enumerate(hours[:200])])
    assert means[dark[:200]].mean() < 0.85 * means[~dark[:200]].mean()


def test_the_hour_colours_the_light_and_infrared_cameras_do_not_see_it():
    evening = Hour(color=np.array([1.1, 1.0, 0.8]), brightness=0.8)
    noon, later = (take("visible", 1, hour=hour).pixels.mean((0, 1)) for hour in (NOON, evening))
    assert later.sum() < noon.sum()
    assert later[0] / later[2] > 1.2 * noon[0] / noon[2]
    for spectrum in ("near_infrared", "thermal"):
        assert np.array_equal(take(spectrum, 1).pixels, take(spectrum, 1, hour=evening).pixels)


def test_no_camera_repeats_one_view():
    for camera_seed in range(8):
        camera = sample_camera(np.random.default_rng([1, camera_seed]), "visible", SMALL)
        assert camera.heading_shares.max() < 0.7


def test_same_generators_give_the_same_photograph_and_others_do_not():
    assert np.array_equal(take("visible", 4).pixels, take("visible", 4).pixels)
    assert not np.array_equal(take("visible", 4).pixels, take("visible", 5).pixels)


def test_occlusion_covers_something():
    free, covered = take("visible", 6, occlusion=0.0), take("visible", 6, occlusion=1.0)
    assert not np.array_equal(free.mask, covered.mask)


def test_contrast_of_an_obvious_image():
    pixels = np.full((4, 4, 3), 10)
    mask = np.zeros((4, 4))
    mask[1:3, 1:3] = 1
    pixels[1:3, 1:3] = 60
    assert contrast(pixels, mask) == pytest.approx(50)
    assert contrast(pixels, np.zeros((4, 4))) == 0
