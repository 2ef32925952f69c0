"""Sheets of images: the contact sheet and the rank lists. Arrays in, matplotlib Figure out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from csdn.figures.charts import INK, MUTED, WIDTH

Image = NDArray[np.uint8]  # (H, W, 3)
RIGHT, WRONG = "#009e73", "#d55e00"
SHEET_WIDTH, IMAGE_WIDTH, HEAD, LINE = 9.6, 0.58, 0.42, 0.15  # inches


@dataclass(frozen=True)
class Portraits:
    """One identity on the contact sheet: images (H, W, 3) with their cameras, and its captions."""

    name: str
    visible: Sequence[tuple[Image, int]]
    infrared: Sequence[tuple[Image, int]]
    captions: Sequence[str]


@dataclass(frozen=True)
class RankList:
    """One query and the images that were ranked first.

    Attributes:
        query: (H, W, 3).
        camera_id: of the query.
        person_id: of the query.
        images: each (H, W, 3), best first.
        labels: (camera_id, person_id) of each.
        first_match: rank of the first image of the same person in the CMC's own counting.
    """

    query: Image
    camera_id: int
    person_id: int
    images: Sequence[Image]
    labels: Sequence[tuple[int, int]]
    first_match: int


def contact_sheet(people: Sequence[Portraits]) -> Figure:
    """A row for each identity: visible images, infrared images, captions; all images of one size."""
    columns = max(len(p.visible) for p in people), max(len(p.infrared) for p in people)
    height, width = people[0].visible[0][0].shape[:2]
    image = IMAGE_WIDTH, IMAGE_WIDTH * height / width
    pitch = IMAGE_WIDTH * 1.08
    starts = 0.0, (columns[0] + 0.35) * pitch
    left = starts[1] + columns[1] * pitch + 0.16
    captions = [_wrapped(person.captions, left) for person in people]
    heights = [max(image[1], 0.22 + LINE * len(lines)) + 0.12 for lines in captions]
    figure, axes = canvas(HEAD + sum(heights), SHEET_WIDTH)
    for start, name in zip(starts, ("Visible", "Infrared"), strict=True):
        place_text(axes, start, 0.02, name, weight="bold")
    top = HEAD
    for i, (person, lines) in enumerate(zip(people, captions, strict=True)):
        for start, images in zip(starts, (person.visible, person.infrared), strict=True):
            for j, (pixels, camera) in enumerate(images):
                place_image(axes, pixels, start + j * pitch, top, *image)
                if i == 0 and _same_camera(people, start == 0.0, j):
                    place_text(axes, start + j * pitch, 0.23, f"cam {camera}", size=7.5, colour=MUTED)
        place_text(axes, left, top, person.name, size=9, weight="bold")
        place_text(axes, left, top + 0.2, "\n".join(lines), size=8.5, colour=MUTED)
        top += heights[i]
    return figure


def rank_lists(found: Sequence[RankList], missed: Sequence[RankList]) -> Figure:
    """Queries and what was ranked first: solid green frame and tick if the person is right, else dashed and cross.

    Args:
        found: queries whose first image is right.
        missed: queries whose first image is wrong.
    """
    groups = [(name, lists) for name, lists in (("Found at rank 1", found), ("Missed at rank 1", missed)) if lists]
    length = max(len(one.images) for _, lists in groups for one in lists)
    height, width = groups[0][1][0].query.shape[:2]
    pitch_x = WIDTH / (length + 1.35)
    image_width = pitch_x * 0.86
    image_height = image_width * height / width
    pitch_y, header = image_height + 0.34, 0.5
    figure, axes = canvas(sum(header + len(lists) * pitch_y for _, lists in groups))
    top = 0.0
    for name, lists in groups:
        place_text(axes, 0.02, top + 0.02, name, weight="bold")
        for place, head in enumerate(["query", *range(1, length + 1)]):
            left = (place + (0.3 if place else 0.0)) * pitch_x + 0.03
            place_text(axes, left, top + 0.27, str(head), size=7.5, colour=MUTED)
        top += header
        for one in lists:
            _rank_row(axes, one, top, pitch_x, image_width, image_height)
            top += pitch_y
    return figure


def _rank_row(axes: Axes, one: RankList, top: float, pitch: float, width: float, height: float) -> None:
    place_image(axes, one.query, 0.03, top, width, height)
    where = f"first match: {one.first_match}" if one.first_match > 1 else f"camera {one.camera_id}"
    place_text(axes, 0.03, top + height + 0.03, where, size=6.8, colour=MUTED)
    for k, (image, (camera, person)) in enumerate(zip(one.images, one.labels, strict=True)):
        left = (k + 1.3) * pitch + 0.03
        right = person == one.person_id
        place_image(axes, image, left, top, width, height)
        _frame(axes, left, top, width, height, right)
        mark = "\N{CHECK MARK}" if right else "\N{MULTIPLICATION X}"
        place_text(axes, left, top + height + 0.03, mark, size=7.5, colour=RIGHT if right else WRONG, weight="bold")
        place_text(axes, left + 0.15, top + height + 0.03, f"cam {camera}", size=6.8, colour=MUTED)


def _same_camera(people: Sequence[Portraits], visible: bool, column: int) -> bool:
    """Whether a column shows one camera only, so that its heading can name it."""
    rows = [p.visible if visible else p.infrared for p in people]
    return len({row[column][1] for row in rows if column < len(row)}) == 1


def _wrapped(captions: Sequence[str], left: float) -> list[str]:
    """Lines of the captions next to the images, which end `left` inches from the edge."""
    characters = max(20, int((SHEET_WIDTH - left) / 0.072))
    return [line for caption in captions for line in textwrap.wrap(caption, characters)]


def canvas(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A figure and one invisible axes over all of it, in inches from the upper left corner."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


def place_image(axes: Axes, image: Image, left: float, top: float, width: float, height: float) -> None:
    """An image at a place of a canvas, in inches."""
    axes.imshow(image, extent=(left, left + width, top + height, top), aspect="auto")


def _frame(axes: Axes, left: float, top: float, width: float, height: float, right: bool) -> None:
    colour, dash = (RIGHT, "-") if right else (WRONG, (0, (3, 1.6)))
    axes.add_patch(Rectangle((left, top), width, height, fill=False, linewidth=2.2, edgecolor=colour, linestyle=dash))


def place_text(
    axes: Axes, left: float, top: float, text: str, size: float = 9, colour: str = INK, weight: str = "normal"
) -> None:
    """Lines of text at a place of a canvas, in inches."""
    axes.text(left, top, text, fontsize=size, color=colour, weight=weight, va="top", ha="left", linespacing=1.25)
