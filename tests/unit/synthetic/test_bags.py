"""Bags are where people carry them, and in front of the body only where one would see them there."""

import numpy as np
import pytest

from csdn.synthetic.materials import Part
from csdn.synthetic.poses import articulate
from helpers.drawn_people import BACK, FRONT, LEFT, RIGHT, WIDTH, dressed, extent, seen, standing


def middle(parts, frame, height):
    """The part in the middle of the body at a height."""
    return parts[int(frame.top + height * frame.scale), WIDTH // 2]


def side_of(parts, part):
    """-1 left, 1 right: where the pixels of a part are."""
    return np.sign(np.flatnonzero(parts == part).astype(int) % WIDTH - WIDTH / 2 + 0.5).mean()


def test_a_backpack_covers_the_back_and_leaves_the_chest_free():
    assert middle(*seen(BACK, bag="backpack"), 0.26) == Part.BAG
    assert middle(*seen(FRONT, bag="backpack"), 0.26) == Part.UPPER
    assert Part.BAG_TRIM in seen(FRONT, bag="backpack")[0]  # its straps


@pytest.mark.parametrize(("view", "behind"), [(RIGHT, -1), (LEFT, 1)])
def test_from_the_side_a_backpack_is_behind_the_person(view, behind):
    assert side_of(seen(view, bag="backpack")[0], Part.BAG) == behind


@pytest.mark.parametrize("bag", ["shoulder bag", "handbag"])
def test_a_bag_is_on_one_side_which_is_the_other_one_from_behind(bag):
    assert side_of(seen(FRONT, bag=bag)[0], Part.BAG) > 0.9
    assert side_of(seen(BACK, bag=bag)[0], Part.BAG) < -0.9


def test_a_handbag_hangs_from_the_hand_and_a_shoulder_bag_from_the_shoulder():
    hand = max(arm.hand[1] for arm in articulate(dressed().body, standing(FRONT)).arms)
    assert extent(*seen(bag="handbag"), Part.BAG)[0] > hand
    top, _ = extent(*seen(bag="shoulder bag"), Part.BAG_TRIM)
    assert top < 0.2
    assert not {Part.BAG, Part.BAG_TRIM} & set(np.unique(seen()[0]).tolist())
