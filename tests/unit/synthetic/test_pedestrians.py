"""One person as a label map: patterns on their garments, everything worn is seen."""

import numpy as np
import pytest

from csdn.synthetic.attributes import sample_identity
from csdn.synthetic.drawing import parts_of
from csdn.synthetic.materials import Part
from csdn.synthetic.pedestrians import draw_person
from csdn.synthetic.poses import sample_pose
from helpers.drawn_people import BACK, WIDTH, dressed, extent, seen


def test_patterns_stay_on_their_garments():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(80):
        person, pose = sample_identity(rng, 0.4), sample_pose(0.0, 0.0, rng)
        parts = set(np.unique(parts_of(draw_person(person, pose, 192, 96)[0])).tolist())
        if person["upper_pattern"] == "plain":
            assert not parts & {Part.UPPER_SECOND, Part.SLEEVE_SECOND}
        if person["lower_pattern"] == "plain":
            assert Part.LOWER_SECOND not in parts
        assert (Part.HAT in parts) == (person["hat"] != "none")
        assert (Part.SCARF in parts) == (person["scarf"] != "none")
        assert (Part.BAG in parts or Part.BAG_TRIM in parts) == (person["bag"] != "none")
        seen |= parts
    assert seen == set(Part) - {Part.OBSTACLE}


def test_an_obstacle_leaves_most_of_the_person_visible():
    rng = np.random.default_rng(0)
    person, pose = sample_identity(rng, 0.4), sample_pose(0.0, 0.0, rng)
    free = draw_person(person, pose, 192, 96)[0] > 0
    for seed in range(20):
        labels, _ = draw_person(person, pose, 192, 96, np.random.default_rng(seed))
        hidden = (parts_of(labels) == Part.OBSTACLE) & free
        assert (parts_of(labels) == Part.OBSTACLE).any() and hidden.sum() < 0.6 * free.sum()


def test_a_two_tone_garment_changes_colour_once_from_top_to_bottom():
    parts, frame = seen(upper="shirt", upper_pattern="two-tone")
    (_, end), (start, _) = extent(parts, frame, Part.UPPER), extent(parts, frame, Part.UPPER_SECOND)
    assert abs(end - start) < 0.01


def test_stripes_are_as_wide_as_the_persons_own():
    parts, frame = seen(BACK, upper="shirt", upper_pattern="striped")
    column = parts[:, WIDTH // 2]
    edges = np.flatnonzero(np.diff((column == Part.UPPER_SECOND).astype(int)) == 1)
    assert len(edges) >= 2
    assert np.diff(edges) / frame.scale == pytest.approx(dressed().body.pattern_period, abs=1.5 / frame.scale)


def test_patterns_change_the_second_colour_only():
    plain, checked = seen()[0], seen(upper_pattern="checked", lower_pattern="striped")[0]
    changed = plain != checked
    assert set(checked[changed].tolist()) == {Part.UPPER_SECOND, Part.LOWER_SECOND}
    assert (checked[changed] == plain[changed] + 1).all()
