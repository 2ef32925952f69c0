"""Features in the plane: reproducible, and with a share computed from the features themselves."""

from __future__ import annotations

import numpy as np
import pytest

from csdn.figures import planes


def test_planes_are_the_same_each_time_and_keep_clusters_apart():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(8, 5)) + 9 * np.eye(5)[n] for n in range(3)]).astype(np.float32)
    first, second = planes.plane(features), planes.plane(features)
    np.testing.assert_array_equal(first, second)
    assert np.abs(first).max() == pytest.approx(1)
    people = np.repeat(np.arange(3), 8)
    nearest = np.argsort(((first[:, None] - first[None]) ** 2).sum(-1), axis=1)[:, 1]
    assert (people[nearest] == people).all()


def test_nearest_share_is_the_obvious_loop():
    rng = np.random.default_rng(1)
    features, people, infrared = rng.normal(size=(20, 4)), rng.integers(0, 4, 20), np.arange(20) % 2 == 0
    right = []
    for query in np.flatnonzero(infrared):
        cosines = {g: features[query] @ features[g] / np.linalg.norm(features[g]) for g in np.flatnonzero(~infrared)}
        right.append(people[max(cosines, key=cosines.__getitem__)] == people[query])
    assert planes.nearest_share(features.astype(np.float32), people, infrared) == pytest.approx(np.mean(right))


def test_a_line_joins_the_medians_of_a_persons_two_modalities():
    places = np.array([[0.0, 0.0], [0.1, 0.2], [0.2, 1.0], [0.5, -0.5], [-0.5, 0.5]])
    people, infrared = np.array([3, 3, 3, 3, 8]), np.array([False, False, False, True, False])
    figure = planes.feature_planes({"After": places}, {"After": 0.256}, people, infrared)
    (axis,) = figure.axes
    assert axis.get_title().endswith("nearest visible image is right: 26 %")
    joined = [line for line in axis.lines if line.get_marker() == "None"]
    (line,) = joined  # person 8 was seen in one modality only
    assert line.get_xydata().tolist() == [[0.1, 0.2], [0.5, -0.5]]
    hollow = [line for line in axis.lines if line.get_marker() == "^"]
    assert [len(line.get_xydata()) for line in hollow] == [1, 0]
