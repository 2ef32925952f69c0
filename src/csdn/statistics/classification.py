"""How well classes are recognised, and how sure that is."""

from __future__ import annotations

import numpy as np

from csdn.statistics.paired_tests import bootstrap_interval, resampling_weights

RESAMPLES = 2_000


def balanced_accuracy(
    guessed: np.ndarray, labels: np.ndarray, generator: np.random.Generator
) -> tuple[float, float, float]:
    """Share of correct guesses, averaged over the classes that occur, with its interval when images are resampled.

    Args:
        guessed, labels: (N,) class names; the images show different people.

    Returns:
        The accuracy in [0, 1], and the lower and upper end of its 95 % interval.
    """
    counts = (labels[:, None] == np.unique(labels)).astype(float)
    correct = counts * (guessed == labels)[:, None]
    weights = resampling_weights(np.zeros(len(labels), dtype=np.int64), RESAMPLES, generator)
    return float(np.mean(correct.sum(0) / counts.sum(0))), *bootstrap_interval(correct, counts, weights)
