"""A person dressed as a test says, standing in the middle of the image, upright and still."""

import math
from dataclasses import replace

import numpy as np

from csdn.synthetic.attributes import Identity, sample_identity
from csdn.synthetic.drawing import Frame, parts_of
from csdn.synthetic.pedestrians import draw_person
from csdn.synthetic.poses import Pose

FRONT, BACK, RIGHT, LEFT = 0.0, math.pi, math.pi / 2, -math.pi / 2
HEIGHT, WIDTH = 384, 192
PLAIN = {
    "hair": "short", "hat": "none", "upper": "shirt", "upper_pattern": "plain", "lower": "trousers",
    "lower_pattern": "plain", "shoes": "sneakers", "bag": "none", "scarf": "none",
}  # fmt: skip


def standing(view: float) -> Pose:
    """Somebody who stands still and is seen from `view`."""
    return Pose(view, phase=0.0, effort=0.0, lean=0.0, scale=0.95, shift=0.0, drop=0.5, pitch=0.0)


def dressed(**attributes: str) -> Identity:
    """Always the same body, dressed plainly but for `attributes`."""
    person = sample_identity(np.random.default_rng(0), 0.4)
    body = replace(person.body, lean=0.0, hem=0.0)
    return replace(person, attributes=person.attributes | PLAIN | attributes, body=body)


def seen(view: float = FRONT, **attributes: str) -> tuple[np.ndarray, Frame]:
    """The part of every pixel, and where the body is."""
    labels, frame = draw_person(dressed(**attributes), standing(view), HEIGHT, WIDTH)
    return parts_of(labels), frame


def extent(parts: np.ndarray, frame: Frame, *wanted: int) -> tuple[float, float]:
    """Where some parts begin and end, as heights of the body: 0 is the top of the head and 1 the ground."""
    rows = np.flatnonzero(np.isin(parts, wanted).any(axis=1))
    return (rows[0] - frame.top) / frame.scale, (rows[-1] + 1 - frame.top) / frame.scale
