"""Photographs: right sizes, everyone can be seen, infrared is grey, views vary in every camera."""

import numpy as np
import pytest

from csdn.synthetic.attributes import sample_identity
from csdn.synthetic.cameras import contrast, photograph, sample_camera
from csdn.synthetic.scenes import SPECTRA

SMALL = (64, 32)


def take(spectrum, seed, size=SMALL, occlusion=0.0, camera_seed=0):
    camera = sample_camera(np.random.default_rng([1, camera_seed]), spectrum, size)
    person = sample_identity(np.random.default_rng([2, seed]), 0.4)
    return photograph(person, camera, np.random.default_rng([3, seed]), occlusion)


@pytest.mark.parametrize("size", [(64, 32), (128, 64), (256, 128), (50, 26)])
@pytest.mark.parametrize("spectrum", SPECTRA)
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
