"""Joints of a posed body."""

import math
from dataclasses import replace

import numpy as np
import pytest

from csdn.synthetic.attributes import sample_identity
from csdn.synthetic.poses import ANKLE, articulate, frame_of, sample_pose
from helpers.drawn_people import BACK, FRONT, LEFT, RIGHT, dressed, standing


@pytest.mark.parametrize("seed", range(20))
def test_the_supporting_foot_is_on_the_ground(seed):
    rng = np.random.default_rng(seed)
    person, pose = sample_identity(rng, 0.4), sample_pose(rng.uniform(-math.pi, math.pi), 0.0, rng)
    skeleton = articulate(person.body, pose)
    ankles = [leg.ankle[1] for leg in skeleton.legs]
    assert max(ankles) == pytest.approx(ANKLE) and min(ankles) > skeleton.hip_height + 0.2
    assert not (skeleton.is_front and skeleton.is_back)
    assert [arm.side for arm in skeleton.arms] == [-skeleton.facing, skeleton.facing]


@pytest.mark.parametrize(("view", "front", "back"), [(FRONT, 1, 0), (BACK, 0, 1), (LEFT, 0, 0), (RIGHT, 0, 0)])
def test_a_person_is_seen_from_the_front_from_behind_or_from_neither(view, front, back):
    skeleton = articulate(dressed().body, standing(view))
    assert (skeleton.is_front, skeleton.is_back) == (bool(front), bool(back))
    assert skeleton.frontal == pytest.approx(front or back) and skeleton.lateral == pytest.approx(1 - (front or back))


def test_looking_to_the_other_side_mirrors_somebody_who_stands_still():
    left, right = (articulate(dressed().body, standing(view)) for view in (-1.0, 1.0))
    assert (left.facing, right.facing) == (-1, 1)
    for one, other in zip((*left.legs, *left.arms), (*right.legs, *right.arms), strict=True):
        for joint in ("hip", "knee", "ankle") if hasattr(one, "hip") else ("shoulder", "elbow", "hand"):
            (x, y), (mirrored, height) = getattr(one, joint), getattr(other, joint)
            assert (x, y) == pytest.approx((-mirrored, height)), joint


def test_bones_keep_their_lengths_when_the_arms_swing_across_the_image():
    walking = replace(standing(RIGHT), effort=0.8)
    for phase in (0.5, 2.0, 4.0):
        for arm in articulate(dressed().body, replace(walking, phase=phase)).arms:
            assert math.dist(arm.shoulder, arm.elbow) == pytest.approx(0.15)
            assert math.dist(arm.elbow, arm.hand) == pytest.approx(0.14)


def test_walkers_part_their_legs_and_those_who_stand_do_not():
    still, walking = (articulate(dressed().body, replace(standing(RIGHT), effort=e, phase=1.5)) for e in (0.0, 0.8))
    assert walking.spread > still.spread + 0.05


def test_a_frame_is_placed_by_shares_of_the_image():
    pose = replace(standing(FRONT), scale=0.9, shift=0.1, drop=0.25, lean=0.01, pitch=0.05)
    frame = frame_of(pose, replace(dressed().body, lean=0.02), 200, 100)
    assert (frame.center, frame.top, frame.scale) == pytest.approx((60, 5, 180))
    assert (frame.lean, frame.pitch) == pytest.approx((0.03, 0.05))


def test_each_arm_swings_against_the_leg_of_its_side():
    for phase in (1.0, 1.6, 4.2, 5.0):
        skeleton = articulate(dressed().body, replace(standing(RIGHT), effort=0.8, phase=phase))
        for leg, arm in zip(skeleton.legs, skeleton.arms, strict=True):
            forward = leg.knee[0] - leg.hip[0]
            assert forward * (arm.elbow[0] - arm.shoulder[0]) < 0
            assert arm.hand[0] - arm.elbow[0] > arm.elbow[0] - arm.shoulder[0]  # elbows bend forwards only
