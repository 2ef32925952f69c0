"""Clothes on a posed body: trousers and skirts, upper garments, sleeves, shoes and scarf."""

from __future__ import annotations

from csdn.synthetic.attributes import Identity
from csdn.synthetic.drawing import DARK, LIGHT, NORMAL, Canvas, label, mirrored, smoothed, trapezoid
from csdn.synthetic.materials import Part
from csdn.synthetic.poses import ANKLE, NECK, SHOULDER, WAIST, Arm, Leg, Skeleton


def draw_legs(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """Legs, the lower garment and shoes."""
    for leg, shade in zip(skeleton.legs, (DARK, NORMAL), strict=True):
        _draw_leg(canvas, person, skeleton, leg, shade)
    hip, hip_y, knee_y = skeleton.hip, skeleton.hip_height, skeleton.knee_height
    cloth = label(Part.LOWER)
    if person["lower"] == "skirt":
        flare = hip * 1.4 + 0.012 + 0.3 * skeleton.spread
        _flared(canvas, hip * 0.97, hip_y - 0.06, flare, knee_y - 0.03, cloth)
    if person["lower"] == "long skirt":
        flare = max(hip * 1.35, skeleton.spread + 0.03)
        _flared(canvas, hip * 0.97, hip_y - 0.06, flare, ANKLE - 0.07, cloth)
    canvas.polygon(trapezoid(0.0, hip_y - 0.07, hip, hip_y + 0.035, hip * 1.03), cloth)


def _flared(canvas: Canvas, top: float, y_top: float, bottom: float, y_bottom: float, value: int) -> None:
    side = [(top + 0.6 * (bottom - top), 0.5 * (y_top + y_bottom)), (bottom, y_bottom)]
    canvas.polygon([(-top, y_top), (top, y_top), *side, (0.0, y_bottom + 0.012), *mirrored(side)], value)


def _draw_leg(canvas: Canvas, person: Identity, skeleton: Skeleton, leg: Leg, shade: int) -> None:
    width = person.body.limb * 1.25
    bare = person["lower"] in ("shorts", "skirt")
    thigh = Part.SKIN if person["lower"] == "skirt" else Part.LOWER
    shin = Part.SKIN if bare else Part.LOWER
    canvas.limb(leg.hip, leg.knee, width * 1.3, width * 0.95, label(thigh, shade))
    canvas.limb(leg.knee, leg.ankle, width * 0.92, width * (0.62 if bare else 0.8), label(shin, shade))
    if person["lower"] == "shorts":
        hem = tuple(h + 0.85 * (k - h) for h, k in zip(leg.hip, leg.knee, strict=True))
        canvas.limb(leg.hip, (hem[0], hem[1]), width * 1.4, width * 1.3, label(Part.LOWER, shade))
    _draw_shoe(canvas, person, skeleton, leg, shade)


def _draw_shoe(canvas: Canvas, person: Identity, skeleton: Skeleton, leg: Leg, shade: int) -> None:
    x, y = leg.ankle
    width = person.body.limb
    leather = label(Part.SHOES, shade)
    if person["shoes"] == "boots":
        up = (x + 0.45 * (leg.knee[0] - x), y + 0.45 * (leg.knee[1] - y))
        canvas.limb(up, (x, y), width * 1.12, width * 1.02, leather)
    toe = skeleton.facing * 0.036 * skeleton.lateral
    left, right = x - width + min(toe, 0.0) - 0.004, x + width + max(toe, 0.0) + 0.004
    low = [(right, y + 0.02), (right, y + 0.036), (left, y + 0.036), (left, y + 0.02)]
    canvas.polygon([(x - width, y - 0.012), (x + width, y - 0.012), *low], leather)
    if person["shoes"] == "sneakers":
        sole = [(left, y + 0.030), (right, y + 0.030), (right, y + 0.042), (left, y + 0.042)]
        canvas.polygon(sole, label(Part.SOLES, shade))


def draw_trunk(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """The upper garment without sleeves, its opening and its skirts."""
    hip, hip_y, shoulder = skeleton.hip, skeleton.hip_height, skeleton.shoulder
    outer = person["upper"] in ("jacket", "coat")
    hem = hip_y + person.body.hem + (0.0 if person["upper"] not in ("jacket", "vest") else -0.03)
    waist = skeleton.waist * (1.12 if outer else 1.0)
    cloth = label(Part.UPPER)
    half = [(0.032, NECK - 0.004), (shoulder * 0.78, SHOULDER - 0.012), (shoulder, SHOULDER + 0.018)]
    half += [(waist * 1.06, WAIST - 0.06), (waist * 1.02, WAIST)]
    half += [(hip * 1.07, hem), (hip * 1.07, hem)]  # twice: the hem keeps its corners
    canvas.polygon(smoothed(half + mirrored(half)), cloth)
    if person["upper"] == "coat":
        _flared(canvas, hip * 1.08, hem - 0.04, hip * 1.25 + 0.35 * skeleton.spread, skeleton.knee_height, cloth)
    if person["upper"] in ("jacket", "coat", "vest") and skeleton.is_front:
        _draw_opening(canvas, person, skeleton, hem)
    if person["upper"] in ("shirt", "t-shirt") and skeleton.is_front:
        deep = 0.036 if person["upper"] == "shirt" else 0.014
        turn = skeleton.facing * 0.3 * skeleton.lateral * shoulder
        neckline = [(turn - 0.024, NECK - 0.006), (turn + 0.024, NECK - 0.006), (turn, NECK + deep)]
        canvas.polygon(neckline, label(Part.SKIN, DARK))


def _draw_opening(canvas: Canvas, person: Identity, skeleton: Skeleton, hem: float) -> None:
    turn = skeleton.facing * 0.5 * skeleton.lateral * skeleton.shoulder
    width = 0.010 + 0.024 * person.body.lapel
    bottom = hem if person["upper"] != "coat" else skeleton.hip_height
    lapels = [(turn - width * 1.7, NECK), (turn + width * 1.7, NECK), (turn + width, WAIST)]
    lapels += [(turn + width, bottom), (turn - width, bottom), (turn - width, WAIST)]
    canvas.polygon(lapels, label(Part.LINING))


def draw_arm(canvas: Canvas, person: Identity, arm: Arm, shade: int) -> None:
    """One arm with its sleeve and hand."""
    width = person.body.arm * (1.15 if person["upper"] in ("jacket", "coat") else 1.0)
    upper = Part.SKIN if person["upper"] == "vest" else Part.SLEEVE
    lower = Part.SLEEVE if person["upper"] in ("shirt", "jacket", "coat") else Part.SKIN
    above, below = (1.0 if part is Part.SLEEVE else 0.85 for part in (upper, lower))
    canvas.limb(arm.elbow, arm.hand, width * 0.8 * below, width * 0.62, label(lower, shade))
    hx, hy = arm.hand
    canvas.ellipse(hx, hy + 0.012, width * 0.72, 0.017, label(Part.SKIN, shade))
    canvas.limb(arm.shoulder, arm.elbow, width * above, width * 0.82, label(upper, shade))


def draw_scarf(canvas: Canvas, person: Identity, skeleton: Skeleton) -> None:
    """A scarf round the neck, with a loose end that is seen from the front and the side."""
    if person["scarf"] == "none":
        return
    canvas.limb((-0.034, NECK + 0.004), (0.034, NECK + 0.004), 0.020, 0.020, label(Part.SCARF))
    if not skeleton.is_back:
        x = skeleton.facing * (0.018 + 0.02 * skeleton.lateral)
        canvas.limb((x, NECK + 0.012), (x + 0.004, NECK + 0.115), 0.015, 0.014, label(Part.SCARF, LIGHT))
