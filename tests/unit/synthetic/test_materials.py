"""Colours, reflectance and radiance of what people wear."""

import numpy as np
import pytest

from csdn.synthetic.attributes import sample_attributes
from csdn.synthetic.materials import CLOTH_COLORS, Part, drawn, luminance, mix_reflectance, sample_materials


def test_mix_is_linear():
    assert mix_reflectance(np.array([1.0]), np.array([0.0]), 0.25) == pytest.approx([0.25])


@pytest.mark.parametrize("shares", [None, (0.1, 0.0, 0.6, 0.3)])
def test_values_are_drawn_as_by_choice(shares):
    ours, theirs = np.random.default_rng(0), np.random.default_rng(0)
    values = ["a", "b", "c", "d"]
    assert [drawn(ours, values, shares) for _ in range(500)] == [theirs.choice(values, p=shares) for _ in range(500)]


def test_luminance_is_that_of_itu_r_bt_601():
    assert luminance(np.array([[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 0]])) == pytest.approx(
        [1, 0.299, 0.587, 0]
    )


@pytest.fixture(scope="module")
def wardrobe():
    attributes = [sample_attributes(np.random.default_rng(n)) for n in range(100)]
    return [(own, sample_materials(own, 0.4, np.random.default_rng([1, n]))) for n, own in enumerate(attributes)]


def test_clothes_have_the_colour_that_they_are_described_with(wardrobe):
    table = np.array(list(CLOTH_COLORS.values()))
    right = []
    for attributes, materials in wardrobe:
        nearest = np.abs(table - materials.visible[Part.UPPER]).sum(axis=1).argmin()
        right.append(list(CLOTH_COLORS)[nearest] == attributes["upper_color"])
        assert np.array_equal(materials.visible[Part.SLEEVE], materials.visible[Part.UPPER])
    assert np.mean(right) > 0.9


def test_patterns_show_in_the_near_infrared_nearly_always_and_in_heat_hardly(wardrobe):
    near, heat = (
        np.array([abs(own[Part.UPPER_SECOND] - own[Part.UPPER]) for own in grey])
        for grey in zip(*((m.near_infrared, m.thermal) for _, m in wardrobe), strict=True)
    )
    assert 0.85 < (near > 0.25).mean() < 1
    assert heat.max() < 0.23 < np.median(near)


def test_skin_is_the_warmest_and_a_coat_colder_than_a_shirt(wardrobe):
    assert all(m.thermal[Part.SKIN] == m.thermal.max() for _, m in wardrobe)
    mean = {
        name: np.mean([m.thermal[Part.UPPER] for own, m in wardrobe if own["upper"] == name])
        for name in ("coat", "t-shirt")
    }
    assert mean["coat"] < mean["t-shirt"] - 0.1
