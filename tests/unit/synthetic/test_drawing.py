"""Labels, frames, joints and scenes: the geometry of the photographs."""

import math
from typing import get_args

import numpy as np
import pytest

from csdn.synthetic.attributes import sample_identity
from csdn.synthetic.drawing import DARK, LIGHT, SHADES, Canvas, Frame, label, palette, parts_of, smoothed
from csdn.synthetic.materials import PARTS, Part
from csdn.synthetic.pedestrians import draw_person
from csdn.synthetic.poses import ANKLE, articulate, sample_pose
from csdn.synthetic.scenes import Spectrum, fractal_noise, sample_scene

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


@pytest.mark.parametrize("seed", range(20))
def test_the_supporting_foot_is_on_the_ground(seed):
    rng = np.random.default_rng(seed)
    person, pose = sample_identity(rng, 0.4), sample_pose(rng.uniform(-math.pi, math.pi), 0.0, rng)
    skeleton = articulate(person.body, pose)
    ankles = [leg.ankle[1] for leg in skeleton.legs]
    assert max(ankles) == pytest.approx(ANKLE) and min(ankles) > skeleton.hip_height + 0.2
    assert not (skeleton.is_front and skeleton.is_back)
    assert [arm.side for arm in skeleton.arms] == [-skeleton.facing, skeleton.facing]


def test_patterns_stay_on_their_garments():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(80):
        person, pose = sample_identity(rng, 0.4), sample_pose(0.0, 0.0, rng)
        parts = set(np.unique(parts_of(draw_person(person, pose, 192, 96)[0])).tolist())
        if person["upper_pattern"] == "plain":
            assert not parts & {Part.UPPER_SECOND, Part.SLEEVE_SECOND}
        if person["lower_pattern"] == "plain":
            assert Part.LOWER_SECOND not in parts
        assert (Part.HAT in parts) == (person["hat"] != "none")
        assert (Part.SCARF in parts) == (person["scarf"] != "none")
        assert (Part.BAG in parts or Part.BAG_TRIM in parts) == (person["bag"] != "none")
        seen |= parts
    assert seen == set(Part) - {Part.OBSTACLE}


def test_an_obstacle_leaves_most_of_the_person_visible():
    rng = np.random.default_rng(0)
    person, pose = sample_identity(rng, 0.4), sample_pose(0.0, 0.0, rng)
    free = draw_person(person, pose, 192, 96)[0] > 0
    for seed in range(20):
        labels, _ = draw_person(person, pose, 192, 96, np.random.default_rng(seed))
        hidden = (parts_of(labels) == Part.OBSTACLE) & free
        assert (parts_of(labels) == Part.OBSTACLE).any() and hidden.sum() < 0.6 * free.sum()


@pytest.mark.parametrize("spectrum", get_args(Spectrum))
def test_scenes_are_textured_and_in_range(spectrum):
    for seed in range(12):
        scene, horizon = sample_scene(np.random.default_rng(seed), spectrum, 64, 32)
        assert scene.shape == (128, 128, 3) and 0 < horizon < 128
        assert np.isfinite(scene).all() and scene.min() >= 0 and scene.max() <= 255
        assert scene[..., 0].std() > 1
        assert spectrum == "visible" or np.array_equal(scene[..., 0], scene[..., 2])


def test_noise_is_bounded_and_smooth():
    field = fractal_noise(np.random.default_rng(0), 60, 80, period=20, octaves=1)
    assert field.shape == (60, 80) and np.abs(field).max() < 1.5
    assert np.abs(np.diff(field, axis=0)).max() < 0.35


def test_shades_differ():
    assert SHADES[DARK] < SHADES[0] < SHADES[LIGHT]
