"""Clothes are as long as their names say, and open where one can see it."""

import pytest

from csdn.synthetic.materials import Part
from csdn.synthetic.poses import ANKLE, articulate
from helpers.drawn_people import BACK, FRONT, LEFT, dressed, extent, seen, standing

KNEE = articulate(dressed().body, standing(FRONT)).knee_height


def skin_of_legs(lower):
    """Share of bare skin between knees and shoes."""
    parts, frame = seen(lower=lower)
    low = parts[int(frame.top + (KNEE + 0.02) * frame.scale) : int(frame.top + 0.93 * frame.scale)]
    return (low == Part.SKIN).sum() / (low > 0).sum()


def test_legs_are_bare_below_shorts_and_skirts_and_covered_by_trousers():
    assert skin_of_legs("trousers") == 0
    assert skin_of_legs("shorts") > 0.9 and skin_of_legs("skirt") > 0.9
    assert skin_of_legs("long skirt") < 0.3


@pytest.mark.parametrize("view", [FRONT, BACK, LEFT])
def test_hems_are_in_the_order_of_their_lengths(view):
    lower = [extent(*seen(view, lower=name, upper="jacket"), Part.LOWER)[1] for name in ("shorts", "long skirt")]
    assert KNEE - 0.06 < lower[0] < KNEE + 0.02 < ANKLE - 0.1 < lower[1]
    upper = {name: extent(*seen(view, upper=name, lower="shorts"), Part.UPPER)[1] for name in ("vest", "shirt", "coat")}
    assert upper["vest"] < upper["shirt"] < upper["coat"] < KNEE + 0.04
    assert upper["coat"] > KNEE - 0.01


def test_sleeves_are_none_short_or_long():
    lengths = {}
    for name in ("vest", "t-shirt", "shirt"):
        parts, frame = seen(upper=name)
        lengths[name] = extent(parts, frame, Part.SLEEVE)[1] if Part.SLEEVE in parts else 0.0
    assert lengths["vest"] == 0.0
    assert 0.3 < lengths["t-shirt"] < lengths["shirt"] - 0.08


def test_boots_are_higher_than_sneakers_which_have_soles():
    boots, sneakers = (seen(shoes=name, lower="shorts") for name in ("boots", "sneakers"))
    assert extent(*boots, Part.SHOES)[0] < extent(*sneakers, Part.SHOES)[0] - 0.05
    assert Part.SOLES in sneakers[0] and Part.SOLES not in boots[0]


@pytest.mark.parametrize("upper", ["jacket", "coat", "vest"])
def test_what_is_open_is_open_in_front(upper):
    assert Part.LINING in seen(FRONT, upper=upper)[0]
    assert Part.LINING not in seen(BACK, upper=upper)[0]
    assert Part.LINING not in seen(FRONT, upper="shirt")[0]


def test_the_loose_end_of_a_scarf_is_not_seen_from_behind():
    front, back = (extent(*seen(view, scarf="scarf"), Part.SCARF) for view in (FRONT, BACK))
    assert front[1] > back[1] + 0.05
    assert Part.SCARF not in seen(FRONT)[0]
