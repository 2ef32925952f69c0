"""Drawing of labelled shapes in body coordinates on a supersampled canvas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from csdn.synthetic.materials import Part

Point = tuple[float, float]

SHADES = (1.0, 0.82, 1.12, 0.62)
"""Brightness of the shade levels of a label."""
NORMAL, DARK, LIGHT, DEEP = range(len(SHADES))
_LEVEL = 32  # a label is part + 32 * shade level: 32 parts and 8 levels fit in a byte


def label(part: Part, shade: int = NORMAL) -> int:
    """Pixel value of a part in a shade."""
    return int(part) + _LEVEL * shade


def parts_of(labels: np.ndarray) -> np.ndarray:
    """Part of every pixel of a label map."""
    return labels & (_LEVEL - 1)


def palette(values: np.ndarray) -> np.ndarray:
    """Look-up table (256, C) of the labels from the values (parts, C) of the parts."""
    table = np.zeros((256, values.shape[1]), dtype=np.float64)
    for level, shade in enumerate(SHADES):
        table[_LEVEL * level : _LEVEL * level + len(values)] = values * shade
    return table


def smoothed(points: Sequence[Point]) -> list[Point]:
    """The closed polygon with its corners cut once (Chaikin)."""
    out = []
    for (x0, y0), (x1, y1) in zip(points, (*points[1:], points[0]), strict=True):
        out += [(0.78 * x0 + 0.22 * x1, 0.78 * y0 + 0.22 * y1), (0.22 * x0 + 0.78 * x1, 0.22 * y0 + 0.78 * y1)]
    return out


def trapezoid(x: float, top: float, half_top: float, bottom: float, half_bottom: float) -> list[Point]:
    """The symmetric polygon around the vertical line at x between two heights, with half its width at each."""
    return [(x - half_top, top), (x + half_top, top), (x + half_bottom, bottom), (x - half_bottom, bottom)]


def mirrored(points: Sequence[Point]) -> list[Point]:
    """The points on the other side of the body's middle, last first, which completes an outline."""
    return [(-x, y) for x, y in reversed(points)]


@dataclass(frozen=True, slots=True)
class Frame:
    """Position of a body in the image: x 0 is its middle, y 0 the top of the head and y 1 the ground.

    Attributes:
        center: column of the body's middle, in pixels of the canvas.
        top: row of y 0.
        scale: the body's height in pixels.
        lean: sideways shift of the top of the head, in body heights.
        pitch: how much the camera looks down, which enlarges the upper body and shrinks the legs.
    """

    center: float
    top: float
    scale: float
    lean: float
    pitch: float

    def pixel(self, x: float, y: float) -> Point:
        """Canvas position of a point of the body."""
        wide = x * (1 + self.pitch * (1 - 2 * y)) + self.lean * (1 - y)
        low = y + self.pitch * y * (1 - y)
        return self.center + wide * self.scale, self.top + low * self.scale

    def body(self, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Body coordinates of the pixels: x (height, width) and y (height, 1); the inverse of `pixel`."""
        low = (np.arange(height, dtype=np.float32)[:, None] + 0.5 - self.top) / self.scale
        y = low - self.pitch * low * (1 - low)  # first-order inverse: the pitch is small
        wide = (np.arange(width, dtype=np.float32)[None] + 0.5 - self.center) / self.scale
        return (wide - self.lean * (1 - y)) / (1 + self.pitch * (1 - 2 * y)), y


class Canvas:
    """A label map that shapes in body coordinates are drawn on, later ones over earlier ones."""

    def __init__(self, height: int, width: int, frame: Frame) -> None:
        self.frame = frame
        self._image = Image.new("L", (width, height), 0)
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Sequence[Point], value: int) -> None:
        """Fill a polygon."""
        self._draw.polygon([self.frame.pixel(x, y) for x, y in points], fill=value)

    def ellipse(self, x: float, y: float, rx: float, ry: float, value: int) -> None:
        """Fill an ellipse around (x, y)."""
        self._draw.ellipse(self._box(x, y, rx, ry), fill=value)

    def chord(self, x: float, y: float, rx: float, ry: float, start: float, end: float, value: int) -> None:
        """Fill the part of an ellipse cut off by the line between two angles (degrees, clockwise from the right)."""
        self._draw.chord(self._box(x, y, rx, ry), start, end, fill=value)

    def limb(self, start: Point, end: Point, width_start: float, width_end: float, value: int) -> None:
        """Fill a tapered bar with round ends; widths are half widths."""
        (x0, y0), (x1, y1) = start, end
        dx, dy = x1 - x0, y1 - y0
        length = math.hypot(dx, dy) + 1e-6
        nx, ny = -dy / length, dx / length
        ax, ay, bx, by = nx * width_start, ny * width_start, nx * width_end, ny * width_end
        self.polygon([(x0 + ax, y0 + ay), (x1 + bx, y1 + by), (x1 - bx, y1 - by), (x0 - ax, y0 - ay)], value)
        self.ellipse(x0, y0, width_start, width_start, value)
        self.ellipse(x1, y1, width_end, width_end, value)

    def labels(self) -> np.ndarray:
        """The label map, uint8 (height, width)."""
        return np.array(self._image)

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        px, py = self.frame.pixel(x, y)
        rx, ry = rx * self.frame.scale, ry * self.frame.scale
        return px - rx, py - ry, px + rx, py + ry
