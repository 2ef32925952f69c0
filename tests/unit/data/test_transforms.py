"""Augmentation against an obvious implementation that pads, crops and flips whole images, on host and device."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from csdn.data.device_transforms import render_views
from csdn.data.transforms import ERASE_FILL, GREY, GREY_WEIGHTS, Augmenter
from csdn.models.clip_backbone import MEAN_STD

MEAN, STD = (np.array(values, dtype=np.float32) for values in MEAN_STD["clip"])
PLAIN = Augmenter(0, 0.0, 0.0, (0.02, 0.4), (0.3, 3.33), *MEAN_STD["clip"])


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (32, 16, 3), dtype=np.uint8)


def augment(augmenter, view, image, seed=0):
    out = np.full(image.shape, np.nan, dtype=np.float32)
    drawn = getattr(augmenter, f"draw_{view}")(image.shape, np.random.default_rng(seed))
    augmenter.render(image, drawn, out)
    return out


def test_without_randomness_it_only_normalises(image):
    np.testing.assert_allclose(augment(PLAIN, "visible", image), (image / 255 - MEAN) / STD, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("seed", range(25))
def test_crops_and_flips_are_some_crop_of_the_padded_image(image, seed):
    out = augment(replace(PLAIN, padding=4, flip=0.5), "visible", image, seed)
    padded = np.pad(image, ((4, 4), (4, 4), (0, 0)))
    crops = [padded[y : y + 32, x : x + 16] for y in range(9) for x in range(9)]
    candidates = np.array(crops + [crop[:, ::-1] for crop in crops])
    distances = np.abs((candidates / 255 - MEAN) / STD - out).max((1, 2, 3))
    assert distances.min() < 1e-4


@pytest.mark.parametrize("seed", range(10))
def test_erasing_fills_one_rectangle_of_the_allowed_area(image, seed):
    for after, fill in ((False, (np.array(ERASE_FILL) - MEAN) / STD), (True, np.array(ERASE_FILL))):
        out = augment(replace(PLAIN, erase=1.0, erase_after_normalization=after), "visible", image, seed)
        erased = np.isclose(out, fill, atol=1e-4).all(2)
        assert 0.01 < erased.mean() < 0.45
        ys, xs = np.nonzero(erased)
        assert erased[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1].all()


def test_channel_exchange_copies_one_channel(image):
    plain = augment(PLAIN, "visible", image)
    chosen = set()
    for seed in range(20):
        out = augment(PLAIN, "exchanged", image, seed)
        matches = [c for c in range(3) if np.allclose(out, plain[..., [c]], atol=1e-6)]
        assert len(matches) == 1
        chosen.update(matches)
    assert chosen == {0, 1, 2}


def test_infrared_channels_are_one_channel_grey_or_untouched(image):
    plain = augment(PLAIN, "visible", image)
    grey = plain @ np.array([0.2989, 0.5870, 0.1140], dtype=np.float32)
    kinds = {"copied": 0, "grey": 0, "untouched": 0}
    for seed in range(400):
        out = augment(PLAIN, "infrared", image, seed)
        if np.allclose(out, plain):
            kinds["untouched"] += 1
        elif np.allclose(out, grey[..., None], atol=1e-5):
            kinds["grey"] += 1
        else:
            assert any(np.allclose(out, plain[..., [c]], atol=1e-6) for c in range(3))
            kinds["copied"] += 1
    assert 260 < kinds["copied"] < 340
    assert 25 < kinds["grey"] < 80
    assert 25 < kinds["untouched"] < 80


EVERYTHING = Augmenter(5, 0.5, 0.7, (0.02, 0.4), (0.3, 3.33), *MEAN_STD["clip"])


def obviously(image, view, augmenter):
    """Pad, crop, mirror, normalise, erase and mix channels, each on the whole image."""
    (dy, dx), mirrored, erased, channel = view
    height, width, _ = image.shape
    padded = np.pad(image, ((5, 5), (5, 5), (0, 0)))
    out = padded[5 + dy : 5 + dy + height, 5 + dx : 5 + dx + width]
    out = ((out[:, ::-1] if mirrored else out) / 255 - MEAN) / STD
    if erased:
        y, x, h, w = erased
        fill = np.array(ERASE_FILL)
        out[y : y + h, x : x + w] = fill if augmenter.erase_after_normalization else (fill - MEAN) / STD
    if channel == GREY:
        out = np.repeat((out @ GREY_WEIGHTS)[..., None], 3, axis=2)
    elif channel >= 0:
        out = out[..., [channel] * 3]
    return out


@pytest.mark.parametrize("after", [False, True])
def test_host_and_device_carry_out_a_view_as_the_obvious_way_does(after):
    augmenter = replace(EVERYTHING, erase_after_normalization=after)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 32, 16, 3), dtype=np.uint8)
    drawers = (augmenter.draw_visible, augmenter.draw_exchanged, augmenter.draw_infrared)
    views = [drawers[row % 3](image.shape, rng) for row, image in enumerate(images)]
    assert {view.channel for view in views} == {-1, 0, 1, 2, GREY}
    expected = np.stack([obviously(image, view, augmenter) for image, view in zip(images, views, strict=True)])
    on_host = np.full(images.shape, np.nan, dtype=np.float32)
    for image, view, out in zip(images, views, on_host, strict=True):
        augmenter.render(image, view, out)
    on_device = render_views(torch.from_numpy(images), views, augmenter)
    np.testing.assert_allclose(on_host, expected, atol=2e-6)
    np.testing.assert_allclose(on_device.permute(0, 2, 3, 1).numpy(), expected, atol=2e-6)
    assert on_device.is_contiguous(memory_format=torch.channels_last)
