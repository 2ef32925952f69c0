from __future__ import annotations

import numpy as np
import pytest

from csdn.figures import distances
from csdn.figures.distances import BINS, LARGEST, PAIRS, Histograms, distance_histograms


def sample(count: int = 24) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    people = rng.integers(0, 5, count)
    return rng.normal(size=(count, 6)).astype(np.float32), people, rng.random(count) < 0.5


def slow(features: np.ndarray, people: np.ndarray, infrared: np.ndarray, pair: str) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of images, one by one."""
    counts = np.zeros((2, BINS))
    for i in range(len(features)):
        for j in range(i + 1, len(features)):
            kind = "visible to infrared" if infrared[i] != infrared[j] else PAIRS[int(infrared[i])]
            if kind == pair:
                a, b = features[i].astype(float), features[j].astype(float)
                distance = 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                counts[int(people[i] != people[j]), min(int(distance / LARGEST * BINS), BINS - 1)] += 1
    return counts[0] / counts[0].sum(), counts[1] / counts[1].sum()


@pytest.mark.parametrize("pair", PAIRS)
def test_histograms_are_the_obvious_loop(pair: str):
    found, (same, different) = distance_histograms(*sample())[pair], slow(*sample(), pair)
    np.testing.assert_allclose(found.same, same)
    np.testing.assert_allclose(found.different, different)


def test_overlap_is_one_for_equal_and_zero_for_distant_histograms():
    near, far = np.eye(BINS)[3], np.eye(BINS)[40]
    assert Histograms(near, near).overlap == 1
    assert Histograms(near, far).overlap == 0
    assert Histograms((near + far) / 2, far).overlap == 0.5


def test_large_sets_are_always_sampled_in_the_same_way(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(distances, "SAMPLE", 5)
    one, again = (distance_histograms(*sample(60))["visible to visible"] for _ in range(2))
    np.testing.assert_array_equal(one.different, again.different)
    assert (one.different > 0).sum() <= 10  # five images have ten pairs


def test_nobody_seen_twice_leaves_the_histogram_empty():
    features, _, infrared = sample(6)
    found = distance_histograms(features, np.arange(6), infrared)["visible to infrared"]
    assert found.same.sum() == 0
    assert found.overlap == 0
