"""Hair and hats: as long as they are called, and where they are seen from."""

import numpy as np
import pytest

from csdn.synthetic.heads import head_size
from csdn.synthetic.materials import Part
from csdn.synthetic.poses import NECK, SHOULDER
from helpers.drawn_people import BACK, FRONT, LEFT, RIGHT, WIDTH, dressed, extent, seen


def test_a_head_stands_on_the_neck_and_is_higher_than_wide():
    person = dressed()
    y, half_width, half_height = head_size(person)
    assert half_height == person.body.head > half_width
    assert NECK - 0.02 * half_height == pytest.approx(y + half_height)


@pytest.mark.parametrize("view", [FRONT, BACK, LEFT, RIGHT])
def test_only_the_bald_have_no_hair(view):
    assert Part.HAIR not in seen(view, hair="bald")[0]
    for hair in ("short", "long", "ponytail"):
        assert Part.HAIR in seen(view, hair=hair)[0], hair


def test_long_hair_and_a_ponytail_reach_below_the_shoulders_from_behind_and_short_hair_does_not():
    ends = {hair: extent(*seen(BACK, hair=hair), Part.HAIR)[1] for hair in ("short", "long", "ponytail")}
    assert ends["short"] < NECK < SHOULDER < min(ends["long"], ends["ponytail"])


def test_from_the_front_a_ponytail_is_beside_the_head_and_the_face_is_free():
    parts, frame = seen(FRONT, hair="ponytail")
    y = head_size(dressed())[0]
    assert parts[int(frame.top + (y + 0.02) * frame.scale), WIDTH // 2] == Part.SKIN
    assert extent(parts, frame, Part.HAIR)[1] > SHOULDER


@pytest.mark.parametrize("hat", ["cap", "beanie"])
def test_a_hat_covers_the_top_of_the_head(hat):
    parts, frame = seen(FRONT, hat=hat)
    column = parts[:, WIDTH // 2]
    assert column[np.flatnonzero(column)[0]] == Part.HAT
    assert extent(parts, frame, Part.HAT)[1] < head_size(dressed())[0] + 0.01  # the face stays free
    assert Part.HAT not in seen(FRONT)[0]
