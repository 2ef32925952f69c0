"""Labels, frames and shapes: what everything is drawn with."""

import numpy as np
import pytest

from csdn.synthetic.drawing import DARK, LIGHT, SHADES, Canvas, Frame, label, palette, parts_of, smoothed
from csdn.synthetic.materials import PARTS, Part

FRAME = Frame(center=40.0, top=10.0, scale=150.0, lean=0.02, pitch=0.06)


def test_labels_keep_part_and_shade():
    values = np.arange(PARTS * 3, dtype=float).reshape(PARTS, 3)
    table = palette(values)
    for part in Part:
        for shade, factor in enumerate(SHADES):
            assert parts_of(np.array(label(part, shade))) == part
            assert table[label(part, shade)] == pytest.approx(values[part] * factor)


def test_body_coordinates_invert_the_frame():
    x, y = FRAME.body(180, 80)
    for row, column in ((20, 30), (90, 45), (150, 60)):
        px, py = FRAME.pixel(float(x[row, column]), float(y[row, 0]))
        assert (px, py) == pytest.approx((column + 0.5, row + 0.5), abs=0.7)


def test_shapes_are_drawn_where_they_belong():
    canvas = Canvas(180, 80, FRAME)
    canvas.polygon([(-0.1, 0.4), (0.1, 0.4), (0.1, 0.6), (-0.1, 0.6)], label(Part.UPPER))
    canvas.ellipse(0.0, 0.1, 0.05, 0.05, label(Part.SKIN, LIGHT))
    labels = canvas.labels()
    for (x, y), part in {(0.0, 0.5): Part.UPPER, (0.0, 0.1): Part.SKIN, (0.2, 0.5): Part.BACKGROUND}.items():
        px, py = FRAME.pixel(x, y)
        assert parts_of(labels)[int(py), int(px)] == part


def test_smoothing_keeps_the_middle_and_cuts_the_corners():
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    points = np.array(smoothed(square))
    assert len(points) == 8 and points.mean(axis=0) == pytest.approx((0.5, 0.5))
    assert not any(np.allclose(corner, point) for corner in square for point in points)


def test_shades_differ():
    assert SHADES[DARK] < SHADES[0] < SHADES[LIGHT]
