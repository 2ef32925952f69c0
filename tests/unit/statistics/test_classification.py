"""Balanced accuracy and how sure it is."""

import numpy as np
from scipy import stats

from csdn.statistics.classification import balanced_accuracy


def test_every_class_counts_alike_however_rare():
    labels = np.array(["hat"] * 8 + ["cap"] * 2)
    guessed = np.array(["hat"] * 8 + ["hat", "cap"])
    accuracy, low, high = balanced_accuracy(guessed, labels, np.random.default_rng(0))
    assert accuracy == (1 + 0.5) / 2
    assert low <= accuracy <= high


def test_the_interval_of_one_class_is_that_of_a_share():
    labels = np.full(400, "hat")
    guessed = np.where(np.arange(400) < 240, "hat", "cap")
    _, low, high = balanced_accuracy(guessed, labels, np.random.default_rng(0))
    exact = stats.binomtest(240, 400).proportion_ci(0.95)
    np.testing.assert_allclose([low, high], [exact.low, exact.high], atol=0.01)
