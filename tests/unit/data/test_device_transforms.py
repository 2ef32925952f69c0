"""Augmentation of a batch on a device, and that of each image on the host, against an obvious implementation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from csdn.data.device_transforms import render_views
from csdn.data.transforms import ERASE_FILL, GREY, GREY_WEIGHTS, Augmenter
from csdn.models.clip_backbone import MEAN_STD

MEAN, STD = (np.array(values, dtype=np.float32) for values in MEAN_STD["clip"])
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
