"""Distances between images of one person and of different people: NumPy arrays in, histograms out. Pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from csdn.data.vectors import unit_vectors
from csdn.seeding import derive_seed

BINS = 80
LARGEST = 2.0  # cosine distance of opposite vectors
SAMPLE = 1500  # images of each modality; more take longer without a visible change of the histograms
Side = tuple[NDArray[np.float32], NDArray[np.int64]]  # features and persons of some images
PAIRS = ("visible to visible", "infrared to infrared", "visible to infrared")


class Histograms(NamedTuple):
    """Shares of pairs in BINS equal bins of [0, LARGEST], for one person and for different people; sums are 1."""

    same: NDArray[np.float64]
    different: NDArray[np.float64]

    @property
    def overlap(self) -> float:
        """Overlapping coefficient: the area common to both, from 0 (separate) to 1 (equal)."""
        return float(np.minimum(self.same, self.different).sum())


def distance_histograms(
    features: NDArray[np.float32], person_ids: NDArray[np.int64], infrared: NDArray[np.bool_], seed: int = 0
) -> dict[str, Histograms]:
    """Cosine distances between all pairs of images, for each of PAIRS.

    Args:
        features: (N, dim), of any length.
        person_ids: (N,).
        infrared: (N,).
        seed: of the sample, if a modality has more than SAMPLE images.
    """
    generator = np.random.default_rng(derive_seed(seed, "distances"))
    unit = unit_vectors(features)
    sides = []
    for own in (np.flatnonzero(~infrared), np.flatnonzero(infrared)):
        chosen = own if len(own) <= SAMPLE else np.sort(generator.choice(own, SAMPLE, replace=False))
        sides.append((unit[chosen], person_ids[chosen]))
    visible, infrared_side = sides
    pairs = ((visible, visible), (infrared_side, infrared_side), (visible, infrared_side))
    return {name: _histograms(*pair) for name, pair in zip(PAIRS, pairs, strict=True)}


def _histograms(one: Side, other: Side) -> Histograms:
    distance = 1 - one[0] @ other[0].T
    same = one[1][:, None] == other[1][None, :]
    counted = np.ones(same.shape, dtype=bool)
    if one is other:
        counted = np.triu(counted, 1)  # each pair once, and no image with itself
    shares = []
    for chosen in (same & counted, ~same & counted):
        places = np.clip(distance[chosen] * (BINS / LARGEST), 0, BINS - 1).astype(np.int64)
        counts = np.bincount(places, minlength=BINS)
        shares.append(counts / max(counts.sum(), 1))
    return Histograms(*shares)
