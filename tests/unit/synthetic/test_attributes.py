"""Identities depend on their generator alone; infrared brightness depends on colour only as much as it should."""

import numpy as np
import pytest

from csdn.synthetic.attributes import ATTRIBUTES, sample_identity
from csdn.synthetic.materials import PARTS, Part, luminance


def people(share, count=600):
    return [sample_identity(np.random.default_rng([3, n]), share) for n in range(count)]


def test_every_attribute_takes_every_value():
    everybody = people(0.4)
    for name, values in ATTRIBUTES.items():
        assert {person[name] for person in everybody} == set(values), name


def test_same_generator_gives_the_same_person():
    first, second = (sample_identity(np.random.default_rng(5), 0.4) for _ in range(2))
    assert first.attributes == second.attributes and first.body == second.body
    assert np.array_equal(first.materials.visible, second.materials.visible)


def test_materials_are_in_range():
    for person in people(0.4, 50):
        assert person.materials.visible.shape == (PARTS, 3)
        assert person.materials.visible.min() >= 0 and person.materials.visible.max() <= 255
        for grey in (person.materials.near_infrared, person.materials.thermal):
            assert grey.shape == (PARTS,) and grey.min() >= 0 and grey.max() <= 1
            assert grey[Part.SLEEVE] == grey[Part.UPPER]


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, -0.08, 0.08), (1.0, 0.995, 1.0)])
def test_extreme_shares_are_independent_and_equal_to_luminance(share, low, high):
    assert low <= palette_correlation(share) <= high


def test_correlation_is_what_the_share_implies():
    visible = np.concatenate([luminance(p.materials.visible[[Part.UPPER, Part.LOWER]]) for p in people(0.4)])
    own, other = 0.4 * visible.std(), 0.6 * (0.95 - 0.12) / np.sqrt(12)
    assert palette_correlation(0.4) == pytest.approx(own / np.hypot(own, other), abs=0.06)


def palette_correlation(share):
    drawn = people(share)
    parts = [Part.UPPER, Part.LOWER]
    visible = np.concatenate([luminance(person.materials.visible[parts]) for person in drawn])
    infrared = np.concatenate([person.materials.near_infrared[parts] for person in drawn])
    return np.corrcoef(visible, infrared)[0, 1]


def test_described_proportions_show():
    drawn = people(0.4)
    mean = {
        (name, value): np.mean([getattr(p.body, part) for p in drawn if p[name] == value])
        for name, part in (("build", "waist"), ("height", "leg"))
        for value in ATTRIBUTES[name]
    }
    assert mean["build", "slim"] < mean["build", "average"] < mean["build", "heavy"]
    assert mean["height", "short"] < mean["height", "medium"] < mean["height", "tall"]
