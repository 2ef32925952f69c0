"""Bags, drawn in two passes: what is behind the body first, what is in front of it last."""

from __future__ import annotations

from csdn.synthetic.attributes import Identity
from csdn.synthetic.drawing import DARK, Canvas, label, smoothed, trapezoid
from csdn.synthetic.materials import Part
from csdn.synthetic.poses import SHOULDER, Skeleton

_CLOTH, _TRIM = label(Part.BAG), label(Part.BAG_TRIM)


def draw_bag_behind(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """A backpack seen from the front or the side."""
    if person["bag"] != "backpack" or skeleton.is_back:
        return
    width, deep = person.body.bag_width, 0.30 + person.body.bag_height
    if skeleton.is_front and skeleton.lateral < 0.5:
        canvas.ellipse(0.0, 0.29, skeleton.shoulder * 0.95, 0.5 * deep - 0.1, label(Part.BAG, DARK))
        return
    near, far = -skeleton.facing * skeleton.shoulder * 0.3, -skeleton.facing * (skeleton.shoulder * 0.8 + width * 0.9)
    pack = [(near, 0.195), (far * 0.85, 0.2), (far, 0.27), (far, deep - 0.02), (near, deep)]
    canvas.polygon(smoothed(pack), _CLOTH)
    canvas.polygon([(far * 0.9, 0.33), (far * 1.12, 0.34), (far * 1.12, deep - 0.03), (far * 0.9, deep - 0.02)], _TRIM)


def draw_bag_before(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """Straps, and every bag in front of the body."""
    if person["bag"] == "backpack":
        _draw_backpack(canvas, person, skeleton)
    elif person["bag"] == "shoulder bag":
        _draw_shoulder_bag(canvas, person, skeleton)
    elif person["bag"] == "handbag":
        _draw_handbag(canvas, person, skeleton)


def _draw_backpack(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    shoulder = skeleton.shoulder
    if skeleton.is_back:
        half, deep = shoulder * 0.8, 0.30 + person.body.bag_height
        canvas.polygon(smoothed(trapezoid(0.0, 0.2, half * 0.8, deep, half * 1.06)), _CLOTH)
        canvas.polygon(trapezoid(0.0, deep - 0.1, half * 0.7, deep - 0.025, half * 0.75), _TRIM)
    elif skeleton.is_front:
        for side in (-1, 1):
            canvas.limb((side * shoulder * 0.62, SHOULDER), (side * shoulder * 0.68, 0.34), 0.010, 0.010, _TRIM)


def _draw_shoulder_bag(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    side = -1 if skeleton.is_back else 1
    x = side * (skeleton.hip + 0.015)
    half, top, bottom = person.body.bag_width * 0.75, 0.44, 0.44 + person.body.bag_height
    canvas.limb((-side * skeleton.shoulder * 0.6, SHOULDER), (x * 0.9, top + 0.01), 0.008, 0.008, _TRIM)
    canvas.polygon(trapezoid(x, top, half, bottom, half * 1.1), _CLOTH)
    canvas.polygon(trapezoid(x, top, half, top + 0.028, half), _TRIM)


def _draw_handbag(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    side = -1 if skeleton.is_back else 1
    x, y = next(arm.hand for arm in skeleton.arms if arm.side == side)
    half, bottom = person.body.bag_width * 0.8, y + 0.055 + person.body.bag_height
    for edge in (-1, 1):
        canvas.limb((x + edge * half * 0.5, y + 0.055), (x, y + 0.01), 0.006, 0.006, _TRIM)
    canvas.polygon(trapezoid(x, y + 0.045, half * 0.8, bottom, half), _CLOTH)
