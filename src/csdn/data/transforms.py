"""Augmentation of person images: uint8 pixels in, normalised float pixels out.

The changes to an image are drawn first (a `View`) and applied afterwards, so that the CPU and the GPU
(csdn.data.device_transforms) make the same pixels from the same random numbers.

Here they are applied one image at a time into a preallocated batch: the rows of one image stay in the processor's
cache, whereas passes over a whole batch would wait for memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch

ERASE_FILL = (0.4914, 0.4822, 0.4465)  # for pixels in [0, 1]; the field's constant (CIFAR-10's mean)
GREY_WEIGHTS = np.array([0.2989, 0.5870, 0.1140], dtype=np.float32)
ERASE_TRIES = 100
COPIED_ROWS = 96
COLOURS, GREY = -1, 3  # values of `View.channel` that are not a channel


class View(NamedTuple):
    """The changes to make to one image.

    Attributes:
        shift: rows and columns by which the crop starts below and to the right of the image's corner.
        mirrored: whether left and right are exchanged, after the crop.
        erased: top, left, height and width of the erased rectangle, or None.
        channel: 0, 1 or 2 to copy that channel to all three; COLOURS to keep them; GREY for their weighted sum.
    """

    shift: tuple[int, int]
    mirrored: bool
    erased: tuple[int, int, int, int] | None
    channel: int


@dataclass(frozen=True)
class Augmenter:
    """Pad, random crop, flip, erase, normalise, then the channel operation of docs/method.md.

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

    def draw_visible(self, shape: tuple[int, ...], rng: np.random.Generator) -> View:
        """First visible view of an image of `shape` (H, W, ...): colours kept."""
        return View(*self._draw_spatial(shape, rng), COLOURS)

    def draw_exchanged(self, shape: tuple[int, ...], rng: np.random.Generator) -> View:
        """Second visible view: one of R, G, B copied to all three channels (channel exchange, CAJ)."""
        return View(*self._draw_spatial(shape, rng), _below(3, rng.random()))

    def draw_infrared(self, shape: tuple[int, ...], rng: np.random.Generator) -> View:
        """Infrared view: R, G or B copied to all three, or, a quarter of the time, untouched or grey at even odds."""
        spatial = self._draw_spatial(shape, rng)
        return View(*spatial, (0, 0, 1, 1, 2, 2, GREY, COLOURS)[_below(8, rng.random())])

    def render(self, image: np.ndarray, view: View, out: np.ndarray) -> None:
        """Apply `view` to a uint8 image (H, W, 3) and write the contiguous float32 `out` (H, W, 3)."""
        height, width, _ = image.shape
        dy, dx = view.shift
        source = image[max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)]
        if view.mirrored:
            dx = -dx
        window = out[max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
        copied = 0 <= view.channel < 3
        black, fill = (-self.shift[view.channel], self.fill[view.channel]) if copied else (-self.shift, self.fill)
        if dy:
            _fill(out[slice(0, -dy) if dy < 0 else slice(height - dy, None)], black)
        if dx:
            _fill(out[:, slice(0, -dx) if dx < 0 else slice(width - dx, None)], black)
        if copied:
            self._write_channel(source, view, window)
        else:
            self._write_colours(source, view, window)
        if view.erased:
            y, x, h, w = view.erased
            _fill(out[y : y + h, x : x + w], fill)
        if view.channel == GREY:
            _copy_to_all(out @ GREY_WEIGHTS, out)

    @cached_property
    def scale(self) -> np.ndarray:
        """float32 (3,): the factor on uint8 values."""
        return (1.0 / (255.0 * np.asarray(self.std, dtype=np.float32))).astype(np.float32)

    @cached_property
    def shift(self) -> np.ndarray:
        """float32 (3,): subtracted after scaling; black becomes its negative."""
        return np.asarray(self.mean, dtype=np.float32) / np.asarray(self.std, dtype=np.float32)

    @cached_property
    def fill(self) -> np.ndarray:
        """float32 (3,): the normalised colour of erased rectangles."""
        raw, mean, std = (np.asarray(values, dtype=np.float32) for values in (ERASE_FILL, self.mean, self.std))
        return raw if self.erase_after_normalization else (raw - mean) / std

    def _write_colours(self, source: np.ndarray, view: View, window: np.ndarray) -> None:
        height, width, _ = source.shape
        pixels, target = torch.from_numpy(source), torch.from_numpy(window)
        if view.mirrored:
            pixels = pixels.flip(1)
        # Whole rows of 3 * width values: inner loops over three channels would take longer.
        rows = target.view(height, 3 * width).copy_(pixels.view(height, 3 * width))
        torch.addcmul(_row(*(-self.shift).tolist(), width), rows, _row(*self.scale.tolist(), width), out=rows)

    def _write_channel(self, source: np.ndarray, view: View, window: np.ndarray) -> None:
        plane = (source[:, ::-1] if view.mirrored else source)[..., view.channel].astype(np.float32)
        plane *= self.scale[view.channel]
        plane -= self.shift[view.channel]
        _copy_to_all(plane, window)

    def _draw_spatial(
        self, shape: tuple[int, ...], rng: np.random.Generator
    ) -> tuple[tuple[int, int], bool, tuple[int, int, int, int] | None]:
        down, right, mirror, erase = rng.random(4).tolist()  # one call, because each has more overhead than drawing
        positions = 2 * self.padding + 1
        shift = _below(positions, down) - self.padding, _below(positions, right) - self.padding
        erased = self._draw_rectangle(shape[0], shape[1], rng) if erase < self.erase else None
        return shift, mirror < self.flip, erased

    def _draw_rectangle(self, height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int] | None:
        for _ in range(ERASE_TRIES):
            size, shape, down, right = rng.random(4).tolist()
            area, aspect = _between(self.erase_area, size) * height * width, _between(self.erase_aspect, shape)
            h, w = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
            if h < height and w < width:
                return _below(height - h + 1, down), _below(width - w + 1, right), h, w
        return None


def _below(count: int, drawn: float) -> int:
    """One of 0 to count - 1, all equally likely, from a uniform number in [0, 1)."""
    return int(drawn * count)


def _between(limits: tuple[float, float], drawn: float) -> float:
    """Uniform between two limits, from a uniform number in [0, 1)."""
    return limits[0] + (limits[1] - limits[0]) * drawn


def _fill(out: np.ndarray, color: np.ndarray) -> None:
    """Fill the pixels of `out` (h, w, 3) with one value, or with one value for each channel (3,)."""
    height, width, _ = out.shape
    out.reshape(height, 3 * width)[:] = _row(*color.tolist(), width).numpy() if color.ndim else color


def _copy_to_all(plane: np.ndarray, out: np.ndarray) -> None:
    for start in range(0, len(plane), COPIED_ROWS):  # few enough rows to stay in the cache while written three times
        rows = slice(start, start + COPIED_ROWS)
        for channel in range(3):
            out[rows, :, channel] = plane[rows]


@lru_cache(maxsize=1024)
def _row(red: float, green: float, blue: float, width: int) -> torch.Tensor:
    """float32 (3 * width,): the three values repeated for each pixel of a row."""
    return torch.tensor((red, green, blue), dtype=torch.float32).repeat(width)
