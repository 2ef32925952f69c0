"""One person in one pose as a label map: the part and shade of every pixel."""

from __future__ import annotations

import numpy as np

from csdn.synthetic.attributes import Body, Identity
from csdn.synthetic.bags import draw_bag_before, draw_bag_behind
from csdn.synthetic.drawing import DARK, LIGHT, NORMAL, Canvas, Frame, label, parts_of
from csdn.synthetic.garments import draw_arm, draw_legs, draw_scarf, draw_trunk
from csdn.synthetic.heads import draw_hair_behind, draw_head, draw_neck
from csdn.synthetic.materials import Part
from csdn.synthetic.poses import SHOULDER, Pose, Skeleton, articulate, frame_of


def draw_person(
    person: Identity, pose: Pose, height: int, width: int, occluder: np.random.Generator | None = None
) -> tuple[np.ndarray, Frame]:
    """Draw a person in a pose, and something in front of it if there is an `occluder`, which draws its shape and place.

    Returns:
        Label map, uint8 (height, width), see `drawing.label`; and the body's position in it.
    """
    frame = frame_of(pose, person.body, height, width)
    canvas = Canvas(height, width, frame)
    skeleton = articulate(person.body, pose)
    far, near = skeleton.arms
    sideways = skeleton.lateral > 0.5
    draw_bag_behind(canvas, person, skeleton)
    draw_hair_behind(canvas, person, skeleton)
    draw_arm(canvas, person, far, DARK)
    if not sideways:
        draw_arm(canvas, person, near, DARK)
    draw_legs(canvas, person, skeleton)
    draw_neck(canvas, person)
    draw_trunk(canvas, person, skeleton)
    if sideways:
        draw_arm(canvas, person, near, LIGHT)
    draw_bag_before(canvas, person, skeleton)
    draw_head(canvas, person, skeleton)
    draw_scarf(canvas, person, skeleton)
    if occluder is not None:
        _draw_obstacle(canvas, occluder)
    return with_patterns(canvas.labels(), person, skeleton, frame), frame


def with_patterns(labels: np.ndarray, person: Identity, skeleton: Skeleton, frame: Frame) -> np.ndarray:
    """Give the second colour to the patterned pixels of the garments; `labels` is changed and returned."""
    upper, lower = person["upper_pattern"], person["lower_pattern"]
    if upper == "plain" and lower == "plain":
        return labels
    parts = parts_of(labels)
    x, y = frame.body(*labels.shape)
    if upper != "plain":
        across = x / (0.58 + 0.42 * skeleton.frontal)
        second = _upper_pattern(upper, person.body, across, y, skeleton.hip_height)
        where = parts == Part.UPPER
        if upper in ("striped", "two-tone"):  # sleeves follow the trunk only where the pattern is level
            where |= parts == Part.SLEEVE
        labels += (where & second).astype(np.uint8)
    if lower != "plain":
        labels += ((parts == Part.LOWER) & _lower_pattern(lower, person.body, y, skeleton.hip_height)).astype(np.uint8)
    return labels


def _upper_pattern(kind: str, body: Body, x: np.ndarray, y: np.ndarray, hip_height: float) -> np.ndarray:
    period = body.pattern_period
    if kind == "striped":
        return (y / period) % 1 < body.pattern_duty
    if kind == "checked":
        return ((y / period) % 1 < 0.5) ^ ((x / period) % 1 < 0.5)
    if kind == "dotted":
        return ((y / period * 1.1) % 1 - 0.5) ** 2 + ((x / period * 1.1) % 1 - 0.5) ** 2 < 0.09
    return y > SHOULDER + (hip_height + body.hem - SHOULDER) * body.pattern_split


def _lower_pattern(kind: str, body: Body, y: np.ndarray, hip_height: float) -> np.ndarray:
    if kind == "striped":
        return (y / body.lower_period) % 1 < 0.5
    return y > hip_height + (1 - hip_height) * body.lower_split


def _draw_obstacle(canvas: Canvas, rng: np.random.Generator) -> None:
    """A post or a bush in front of the person, on one side and never covering the whole body."""
    side = 1 if rng.uniform() < 0.5 else -1
    if rng.uniform() < 0.4:
        x = side * rng.uniform(0.03, 0.16)
        canvas.limb((x, -0.1), (x, 1.1), 0.022, 0.026, label(Part.OBSTACLE))
        return
    middle, height = side * rng.uniform(0.08, 0.2), rng.uniform(0.15, 0.35)
    for _ in range(14):
        x, y = middle + rng.uniform(-0.12, 0.12), 1.02 - rng.uniform(0, height)
        shade = (NORMAL, DARK, LIGHT)[int(rng.integers(3))]
        canvas.ellipse(x, y, rng.uniform(0.03, 0.06), rng.uniform(0.03, 0.05), label(Part.OBSTACLE, shade))
