"""Backgrounds: a textured wall or hedge above a floor in perspective, larger than the images, so that crops differ."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

Spectrum = Literal["visible", "near_infrared", "thermal"]

_WALLS = ("plaster", "bricks", "panels", "foliage", "shutters")
_FLOORS = ("asphalt", "slabs", "grass", "tiles")


def sample_scene(rng: np.random.Generator, spectrum: Spectrum, height: int, width: int) -> tuple[np.ndarray, int]:
    """Draw the scene that a camera looks at.

    Args:
        rng: source of every random choice.
        spectrum: the light in which it is seen: infrared scenes are grey, thermal ones cold and smooth.
        height, width: rows and columns of the images taken of it. The scene is 2 x 4 times as large.

    Returns:
        float32 (2 height, 4 width, 3), 0..255; and the row where the floor begins.
    """
    rows, columns = 2 * height, 4 * width
    horizon = int(rng.uniform(0.8, 1.1) * height)
    wall_kind, floor_kind = str(rng.choice(_WALLS)), str(rng.choice(_FLOORS))
    wall = _wall(wall_kind, rng, rows, columns, height)
    floor = _floor(floor_kind, rng, rows, columns, horizon, height)
    below = np.arange(rows)[:, None] >= horizon + 0.02 * height * fractal_noise(rng, 1, columns, height)
    wall_color, floor_color = _base_colors(wall_kind, floor_kind, rng, spectrum)
    scene = np.where(below[..., None], floor[..., None] * floor_color, wall[..., None] * wall_color)
    # The foot of the wall is in its shade, and the light along it is uneven.
    distance = np.abs(np.arange(rows) - horizon)[:, None] / height
    scene = scene * (1 - 0.3 * np.exp(-((distance / 0.06) ** 2)))[..., None]
    scene = scene * (1 + 0.18 * fractal_noise(rng, rows, columns, height * 1.5, octaves=1))[..., None]
    if spectrum == "thermal":
        scene = scene.mean(axis=(0, 1)) + 0.45 * (scene - scene.mean(axis=(0, 1)))
    return np.clip(scene, 2, 250).astype(np.float32), horizon


def fractal_noise(rng: np.random.Generator, rows: int, columns: int, period: float, octaves: int = 3) -> np.ndarray:
    """Smooth random field (rows, columns), about -1..1, whose largest features are `period` pixels wide."""
    total, weight = np.zeros((rows, columns)), 0.0
    for octave in range(octaves):
        step = max(1.0, period / 2**octave)
        grid = rng.uniform(-1, 1, (int(rows / step) + 2, int(columns / step) + 2)).astype(np.float32)
        field = Image.fromarray(grid).resize((columns, rows), Image.Resampling.BICUBIC)
        total += np.asarray(field) * 0.5**octave
        weight += 0.5**octave
    return total / weight


def _base_colors(wall: str, floor: str, rng: np.random.Generator, spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    if spectrum == "thermal":
        return np.full(3, rng.uniform(22, 50)), np.full(3, rng.uniform(28, 62))
    if spectrum == "near_infrared":  # leaves reflect near-infrared light strongly, whatever their colour
        bright = {"foliage": rng.uniform(70, 125), "grass": rng.uniform(70, 115)}
        return np.full(3, bright.get(wall, rng.uniform(30, 100))), np.full(3, bright.get(floor, rng.uniform(30, 90)))
    wall_color = rng.uniform(80, 190) + rng.uniform(-16, 16, 3)
    floor_color = rng.uniform(70, 160) + rng.uniform(-9, 9, 3)
    green = np.array([0.62, 0.85, 0.42]) * rng.uniform(90, 140)
    return (green if wall == "foliage" else wall_color), (green * 1.15 if floor == "grass" else floor_color)


def _wall(kind: str, rng: np.random.Generator, rows: int, columns: int, unit: int) -> np.ndarray:
    """Brightness of a wall around 1; `unit` is the height of an image, in pixels."""
    y, x = np.mgrid[0:rows, 0:columns] / unit
    fine = 0.06 * fractal_noise(rng, rows, columns, unit * 0.12)
    if kind == "bricks":
        high, long = rng.uniform(0.05, 0.07), rng.uniform(0.12, 0.18)
        course = np.floor(y / high)
        joint = ((y / high) % 1 < 0.2) | ((x / long + 0.5 * (course % 2)) % 1 < 0.09)
        tone = _tone_of_cells(rng, course, np.floor(x / long + 0.5 * (course % 2)))
        return np.where(joint, 1.12, 0.96 + 0.1 * tone) + fine
    if kind == "panels":
        wide, high = rng.uniform(0.35, 0.6), rng.uniform(0.4, 0.7)
        joint = ((x / wide) % 1 < 0.035) | ((y / high) % 1 < 0.03)
        return np.where(joint, 0.78, 1 + 0.08 * _tone_of_cells(rng, np.floor(y / high), np.floor(x / wide))) + fine
    if kind == "shutters":
        return 1 + 0.09 * np.sin(2 * np.pi * y / rng.uniform(0.04, 0.07)) + fine
    if kind == "foliage":
        return 0.9 + 0.6 * fractal_noise(rng, rows, columns, unit * 0.12, octaves=4)
    return 1 + 0.16 * fractal_noise(rng, rows, columns, unit * 0.5, octaves=4) + fine


def _floor(kind: str, rng: np.random.Generator, rows: int, columns: int, horizon: int, unit: int) -> np.ndarray:
    """Brightness of a floor around 1, in perspective: joints get closer towards the horizon."""
    y, x = np.mgrid[0:rows, 0:columns].astype(float)
    below = np.clip((y - horizon) / unit, 0, None)
    distance = 1 / (below + 0.18)
    across = (x - columns / 2) / unit * distance
    grain = 0.08 * fractal_noise(rng, rows, columns, unit * 0.08)
    if kind in ("slabs", "tiles"):
        size = rng.uniform(0.7, 1.1) if kind == "slabs" else rng.uniform(0.35, 0.5)
        joint = ((across / size) % 1 < 0.07) | ((distance / size) % 1 < 0.09)
        tone = _tone_of_cells(rng, np.floor(distance / size), np.floor(across / size))
        return np.where(joint, 0.84, 1 + 0.07 * tone) + grain
    if kind == "grass":
        return 0.95 + 0.35 * fractal_noise(rng, rows, columns, unit * 0.07) + grain
    return 1 + 0.12 * fractal_noise(rng, rows, columns, unit * 0.4) + grain


def _tone_of_cells(rng: np.random.Generator, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """A random tone -1..1 for every (row, column) cell of a grid."""
    tones = rng.uniform(-1, 1, (61, 67))
    return tones[row.astype(int) % 61, column.astype(int) % 67]
