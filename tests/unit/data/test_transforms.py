"""Augmentation against an obvious implementation that pads, crops and flips whole images."""

from dataclasses import replace

import numpy as np
import pytest

from csdn.data.transforms import ERASE_FILL, Augmenter
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
