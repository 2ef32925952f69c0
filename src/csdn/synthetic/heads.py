"""Neck, face, hair and hats."""

from __future__ import annotations

from csdn.synthetic.attributes import Identity
from csdn.synthetic.drawing import DARK, LIGHT, NORMAL, Canvas, label
from csdn.synthetic.materials import Part
from csdn.synthetic.poses import NECK, SHOULDER, Skeleton


def head_size(person: Identity) -> tuple[float, float, float]:
    """Height of the head's middle, and half the width and half the height of the head."""
    ry = person.body.head
    return NECK - ry * 1.02, ry * 0.80, ry


def draw_neck(canvas: Canvas, person: Identity) -> None:
    """The neck, to be drawn before the upper garment, whose collar covers a part of it."""
    y, _, ry = head_size(person)
    canvas.limb((0.0, y + 0.5 * ry), (0.0, NECK + 0.014), 0.024, 0.027, label(Part.SKIN, DARK))


def draw_hair_behind(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """Long hair behind the shoulders, visible beside the head from the front and the side."""
    if person["hair"] == "long" and not skeleton.is_back:
        y, rx, ry = head_size(person)
        x = -skeleton.facing * 0.014 * skeleton.lateral
        canvas.ellipse(x, y + 0.05, rx * 1.28, ry * 1.5, label(Part.HAIR, DARK))


def draw_head(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """Face, hair and hat."""
    y, rx, ry = head_size(person)
    turn = skeleton.facing * rx * 0.45 * skeleton.lateral
    canvas.ellipse(0.0, y, rx, ry, label(Part.SKIN))
    if skeleton.is_back:
        _draw_hair_from_behind(canvas, person, rx, ry, y)
    else:
        half = 0.016 * skeleton.frontal
        canvas.limb((turn - half, y + 0.002), (turn + half, y + 0.002), 0.005, 0.005, label(Part.SKIN, DARK))
        _draw_hair(canvas, person, skeleton, rx, ry, y)
    _draw_hat(canvas, person, skeleton, rx, ry, y)


def _draw_hair_from_behind(canvas: Canvas, person: Identity, rx: float, ry: float, y: float) -> None:
    style = person["hair"]
    if style == "bald":
        return
    canvas.ellipse(0.0, y - 0.004, rx * 1.07, ry * (1.06 if style == "long" else 0.96), label(Part.HAIR))
    if style == "long":
        low = SHOULDER + 0.06
        loose = [(-rx * 1.05, y), (rx * 1.05, y), (rx * 1.15, low - 0.015), (0.0, low), (-rx * 1.15, low - 0.015)]
        canvas.polygon(loose, label(Part.HAIR))
    if style == "ponytail":
        canvas.limb((0.0, y + ry * 0.1), (0.0, SHOULDER + 0.065), 0.017, 0.010, label(Part.HAIR, LIGHT))


def _draw_hair(canvas: Canvas, person: Identity, skeleton: Skeleton, rx: float, ry: float, y: float) -> None:
    style = person["hair"]
    if style == "bald":
        return
    back = -skeleton.facing
    tuft = label(Part.HAIR)
    canvas.chord(back * 0.012 * skeleton.lateral, y - 0.006, rx * 1.10, ry * 1.05, 198, 342, tuft)
    if skeleton.lateral > 0.5:
        canvas.ellipse(back * rx * 0.55, y - 0.003, rx * 0.58, ry * 0.85, tuft)
    if style == "long":
        for side in (-1, 1) if skeleton.lateral < 0.5 else (back,):
            canvas.limb((side * rx * 0.98, y), (side * rx * 1.02, SHOULDER + 0.045), 0.013, 0.017, tuft)
    if style == "ponytail":
        canvas.limb((back * rx * 1.05, y - 0.010), (back * (rx * 1.4 + 0.012), SHOULDER + 0.045), 0.015, 0.009, tuft)


def _draw_hat(canvas: Canvas, person: Identity, skeleton: Skeleton, rx: float, ry: float, y: float) -> None:
    cloth, brim = label(Part.HAT), label(Part.HAT, DARK)
    if person["hat"] == "cap":
        canvas.chord(0.0, y - ry * 0.30, rx * 1.15, ry * 0.85, 180, 360, cloth)
        if not skeleton.is_back:
            x = skeleton.facing * rx * skeleton.lateral
            half = rx * 0.75 * max(skeleton.frontal, 0.55)
            canvas.limb((x - half, y - ry * 0.32), (x + half, y - ry * 0.32), 0.009, 0.009, brim)
    if person["hat"] == "beanie":
        canvas.chord(0.0, y - ry * 0.15, rx * 1.2, ry * 1.15, 180, 360, cloth)
        canvas.limb((-rx, y - ry * 0.18), (rx, y - ry * 0.18), 0.011, 0.011, brim)
        canvas.ellipse(0.0, y - ry * 1.22, 0.010, 0.010, label(Part.HAT, NORMAL))
