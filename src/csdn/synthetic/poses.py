"""The pose of a person in one image: view, gait and position, and the resulting joints."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from csdn.synthetic.attributes import Body
from csdn.synthetic.drawing import Frame, Point

NECK = 0.165
SHOULDER = 0.185
WAIST = 0.395
ANKLE = 0.955
_UPPER_ARM, _FOREARM = 0.15, 0.14


@dataclass(frozen=True, slots=True)
class Pose:
    """What changes from image to image."""

    view: float  # heading in radians; 0 towards the camera, +-pi away from it, +pi/2 to the right
    phase: float  # phase of the gait, radians
    effort: float  # factor on the stride; 0 is standing still
    lean: float  # sideways lean added to the person's own
    scale: float  # body height as a share of the image's height
    shift: float  # sideways shift of the body as a share of the image's width
    drop: float  # where the spare height is: 0 all below, 1 all above; beyond that the body is cropped
    pitch: float  # how far the camera looks down


@dataclass(frozen=True, slots=True)
class Leg:
    """Joints of one leg."""

    hip: Point
    knee: Point
    ankle: Point


@dataclass(frozen=True, slots=True)
class Arm:
    """Joints of one arm; `side` is -1 or 1."""

    side: int
    shoulder: Point
    elbow: Point
    hand: Point


@dataclass(frozen=True, slots=True)
class Skeleton:
    """A posed body: joints in body coordinates, the far limb first."""

    facing: int  # -1 if the person looks to the left, else 1
    frontal: float  # |cos(view)|: 1 seen from the front or back, 0 from the side
    lateral: float  # |sin(view)|
    is_front: bool  # whether it is seen mainly from the front; likewise `is_back`; both are False from the side
    is_back: bool  # see `is_front`
    shoulder: float  # half the visible width of the shoulders; likewise `waist` and `hip`
    waist: float  # see `shoulder`
    hip: float  # see `shoulder`
    hip_height: float  # y of the hips
    knee_height: float  # y of straight knees
    spread: float  # distance of the legs in the image, for skirts
    legs: tuple[Leg, Leg]  # far and near leg
    arms: tuple[Arm, Arm]  # far and near arm


def sample_pose(view: float, pitch: float, rng: np.random.Generator) -> Pose:
    """Draw a gait and a position in the image for a person seen from `view`."""
    well_cropped = rng.uniform() < 0.9
    return Pose(
        view=view,
        phase=rng.uniform(0, 2 * math.pi),
        effort=rng.uniform(0.1, 0.8),
        lean=rng.uniform(-0.012, 0.012),
        scale=rng.uniform(0.93, 0.99),
        shift=rng.uniform(-0.03, 0.03),
        drop=rng.uniform(0.2, 0.9) if well_cropped else rng.uniform(-0.6, 1.6),
        pitch=pitch,
    )


def frame_of(pose: Pose, body: Body, height: int, width: int) -> Frame:
    """The body's position on a canvas of `height` x `width` pixels."""
    scale = pose.scale * height
    return Frame(
        center=width / 2 + pose.shift * width,
        top=(height - scale) * pose.drop,
        scale=scale,
        lean=body.lean + pose.lean,
        pitch=pose.pitch,
    )


def articulate(body: Body, pose: Pose) -> Skeleton:
    """The joints of a body in a pose."""
    frontal, lateral = abs(math.cos(pose.view)), abs(math.sin(pose.view))
    facing = 1 if math.sin(pose.view) >= 0 else -1
    narrowing = 0.75 + 0.25 * frontal
    hip = body.hip * narrowing
    shoulder = body.shoulder * (0.58 + 0.42 * frontal)
    hip_height = 1 - body.leg
    sides = (-facing, facing)
    legs = _legs(body, pose, hip, hip_height, sides)
    return Skeleton(
        facing=facing,
        frontal=frontal,
        lateral=lateral,
        is_front=math.cos(pose.view) > 0.25,
        is_back=math.cos(pose.view) < -0.25,
        shoulder=shoulder,
        waist=body.waist * narrowing,
        hip=hip,
        hip_height=hip_height,
        knee_height=hip_height + 0.5 * (1 - hip_height),
        spread=abs(legs[0].ankle[0] - legs[1].ankle[0]) / 2,
        legs=legs,
        arms=(_arm(body, pose, shoulder, sides[0]), _arm(body, pose, shoulder, sides[1])),
    )


def _legs(body: Body, pose: Pose, hip: float, hip_height: float, sides: tuple[int, int]) -> tuple[Leg, Leg]:
    forward, depth = math.sin(pose.view), math.cos(pose.view)
    bone = (ANKLE - hip_height) / 2
    stride = body.stride * pose.effort
    bent = []
    for side in sides:
        phase = pose.phase + (math.pi if side < 0 else 0.0)
        thigh = stride * math.sin(phase)
        shin = thigh - 0.06 - 1.2 * stride * max(0.0, math.cos(phase))  # the knee bends while the leg swings forward
        knee, foot = bone * math.sin(thigh), bone * (math.sin(thigh) + math.sin(shin))
        knee_drop, foot_drop = bone * math.cos(thigh), bone * (math.cos(thigh) + math.cos(shin))
        bent.append((side, knee, foot, knee_drop + 0.08 * depth * knee, foot_drop + 0.08 * depth * foot))
    longest = max(foot_drop for *_, foot_drop in bent)  # the supporting foot stays on the ground
    stretch = (ANKLE - hip_height) / longest
    apart = 0.25 + 0.75 * abs(depth)
    legs = []
    for side, knee, foot, knee_drop, foot_drop in bent:
        base, stance = side * hip * 0.52 * apart, side * body.stance * 0.5 * abs(depth)
        bend = (base + knee * forward + stance, hip_height + knee_drop * stretch)
        sole = (base + foot * forward + 2 * stance, hip_height + foot_drop * stretch)
        legs.append(Leg((base, hip_height), bend, sole))
    return legs[0], legs[1]


def _arm(body: Body, pose: Pose, shoulder: float, side: int) -> Arm:
    forward, depth = math.sin(pose.view), math.cos(pose.view)
    swing = -0.9 * body.stride * pose.effort * math.sin(pose.phase + (math.pi if side < 0 else 0.0))
    lower = swing + 0.25 + 0.3 * pose.effort
    out = side * (0.012 + body.arm_out * 0.25) * abs(depth)
    x, y = side * (shoulder - 0.006), SHOULDER + 0.02
    if abs(depth) < 0.6:  # seen from the side, both arms are at the middle of the trunk
        x *= 0.45
    ex, ey = x + out + _UPPER_ARM * math.sin(swing) * forward, y + _UPPER_ARM * math.cos(swing)
    hx, hy = ex + 0.3 * out + _FOREARM * math.sin(lower) * forward, ey + _FOREARM * math.cos(lower)
    return Arm(side, (x, y), (ex, ey), (hx, hy))
