"""Augmentation of person images: uint8 pixels in, normalised float pixels out, one image at a time.

One image at a time into a preallocated batch: a crop of a few kilobytes stays in the processor's cache, where passes
over a whole batch would wait for memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ERASE_FILL = (0.4914, 0.4822, 0.4465)  # of [0, 1] pixels, the field's constant (CIFAR-10's mean)
GREY = np.array([0.2989, 0.5870, 0.1140], dtype=np.float32)
ERASE_TRIES = 100


@dataclass(frozen=True)
class Augmenter:
    """Pad, random crop, flip, erase, normalise, then the channel operation of METHOD section 4.

    Attributes:
        padding: black pixels added on every side before the crop.
        flip: probability of mirroring.
        erase: probability of erasing a rectangle of `erase_area` of the image, height over width in `erase_aspect`.
        mean: channel means of [0, 1] pixels; std: channel deviations.
        erase_after_normalization: fill with the raw constants after normalisation, as the authors' code does.
    """

    padding: int
    flip: float
    erase: float
    erase_area: tuple[float, float]
    erase_aspect: tuple[float, float]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    erase_after_normalization: bool = False

    def visible(self, image: np.ndarray, out: np.ndarray, rng: np.random.Generator) -> None:
        """First visible view: uint8 (H, W, 3) -> float32 `out` (H, W, 3), colours kept."""
        self._spatial(image, out, rng)

    def exchanged(self, image: np.ndarray, out: np.ndarray, rng: np.random.Generator) -> None:
        """Second visible view: one of R, G, B copied to all three channels (channel exchange, CAJ)."""
        self._spatial(image, out, rng)
        out[:] = out[..., [rng.integers(3)]]

    def infrared(self, image: np.ndarray, out: np.ndarray, rng: np.random.Generator) -> None:
        """Infrared view: R, G or B copied to all three, or, a quarter of the time, untouched or grey at even odds."""
        self._spatial(image, out, rng)
        channel = rng.integers(4)
        if channel < 3:
            out[:] = out[..., [channel]]
        elif rng.random() < 0.5:
            out[:] = (out @ GREY)[..., None]

    def _spatial(self, image: np.ndarray, out: np.ndarray, rng: np.random.Generator) -> None:
        height, width, _ = image.shape
        mean = np.asarray(self.mean, dtype=np.float32)
        std = np.asarray(self.std, dtype=np.float32)
        dy, dx = rng.integers(0, 2 * self.padding + 1, 2) - self.padding
        source = image[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        if rng.random() < self.flip:
            source, dx = source[:, ::-1], -dx
        out[:] = -mean / std  # what black padding becomes
        window = out[max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
        np.multiply(source, 1.0 / (255.0 * std), out=window, casting="unsafe")
        window -= mean / std
        if rng.random() < self.erase:
            self._erase(out, rng, mean, std)

    def _erase(self, out: np.ndarray, rng: np.random.Generator, mean: np.ndarray, std: np.ndarray) -> None:
        height, width, _ = out.shape
        for _ in range(ERASE_TRIES):
            area = rng.uniform(*self.erase_area) * height * width
            aspect = rng.uniform(*self.erase_aspect)
            h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if h < height and w < width:
                y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
                fill = np.asarray(ERASE_FILL, dtype=np.float32)
                out[y : y + h, x : x + w] = fill if self.erase_after_normalization else (fill - mean) / std
                return
