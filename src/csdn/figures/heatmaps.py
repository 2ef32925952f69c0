"""Where the network looks: images under heat maps. Arrays in, matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image as Pillow

from csdn.figures.charts import MUTED, WIDTH
from csdn.figures.sheets import Image, canvas, place_image, place_text

ENLARGED = 2  # factor with which the edges of cells fall between pixels
COLUMNS = ("image", "attention\nbefore", "attention\nafter", "Grad-CAM\nafter")


class Looked(NamedTuple):
    """One image (H, W, 3) and its maps (h, w), in the order of COLUMNS."""

    image: Image
    maps: Sequence[NDArray[np.float32]]


def overlay(image: Image, heat: NDArray[np.float32]) -> Image:
    """A heat map over the grey image: (ENLARGED * H, ENLARGED * W, 3).

    Args:
        image: (H, W, 3).
        heat: (h, w), non-negative; its maximum becomes the brightest colour.
    """
    size = image.shape[1] * ENLARGED, image.shape[0] * ENLARGED
    grey = np.asarray(Pillow.fromarray(image).convert("L").resize(size, Pillow.Resampling.BICUBIC), dtype=np.float64)
    scaled = (heat / max(float(heat.max()), 1e-12)).astype(np.float32)
    cells = np.asarray(Pillow.fromarray(scaled).resize(size, Pillow.Resampling.NEAREST))  # does not invent detail
    colours = mpl.colormaps["viridis"](np.clip(cells, 0, 1))[..., :3] * 255
    return np.clip(0.45 * grey[..., None] + 0.55 * colours, 0, 255).astype(np.uint8)


def map_sheet(people: Sequence[tuple[str, Looked, Looked]]) -> Figure:
    """A row for each person (name, visible, infrared): the visible image and its maps, then the infrared one's."""
    across = 2 * len(COLUMNS)
    pitch = WIDTH / (across + 0.35)
    width = pitch * 0.92
    height = width * people[0][1].image.shape[0] / people[0][1].image.shape[1]
    head, row_height = 0.66, height + 0.28
    figure, axes = canvas(head + len(people) * row_height)
    for side, title in enumerate(("Visible", "Infrared")):
        start = side * (len(COLUMNS) + 0.35) * pitch
        place_text(axes, start, 0.02, title, weight="bold")
        for n, column in enumerate(COLUMNS):
            place_text(axes, start + n * pitch, 0.26, column, size=7.5, colour=MUTED)
    for row, (name, *sides) in enumerate(people):
        top = head + row * row_height
        for side, looked in enumerate(sides):
            start = side * (len(COLUMNS) + 0.35) * pitch
            place_image(axes, looked.image, start, top, width, height)
            for n, heat in enumerate(looked.maps, start=1):
                place_image(axes, overlay(looked.image, heat), start + n * pitch, top, width, height)
        place_text(axes, 0, top + height + 0.03, name, size=7.5, colour=MUTED)
    return figure
