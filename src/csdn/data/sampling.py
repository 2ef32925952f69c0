"""Which training images form a batch; pure functions of labels and a random generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from csdn.errors import UserError


def identity_batches(
    visible_labels: np.ndarray, infrared_labels: np.ndarray, identities: int, images: int, rng: Any
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch of the field's identity sampler: `max(n_visible, n_infrared) // (identities * images) + 1` batches.

    Each batch holds `identities` distinct persons with `images` of each in each modality, drawn with replacement, so
    some images are not used in an epoch.

    Args:
        visible_labels: (n_visible,) labels; infrared_labels: (n_infrared,). Persons with images of only one modality
            are never drawn.
        rng: numpy Generator or RandomState; the same state gives the same draws as the authors' sampler.

    Yields:
        Row indices (identities * images,) into the visible and the infrared images, labels aligned.

    Raises:
        UserError: there are fewer persons than a batch needs.
    """
    persons = np.intersect1d(visible_labels, infrared_labels)
    if len(persons) < identities:
        raise UserError(
            f"encoder.identities: is {identities}, but only {len(persons)} identities have images of both modalities; "
            "lower it"
        )
    rows_visible = {person: np.flatnonzero(visible_labels == person) for person in persons}
    rows_infrared = {person: np.flatnonzero(infrared_labels == person) for person in persons}
    for _ in range(batches_in_epoch(len(visible_labels), len(infrared_labels), identities * images)):
        chosen = rng.choice(persons, identities, replace=False)
        visible, infrared = [], []
        for person in chosen:
            visible.append(rng.choice(rows_visible[person], images))
            infrared.append(rng.choice(rows_infrared[person], images))
        yield np.concatenate(visible), np.concatenate(infrared)


def batches_in_epoch(visible: int, infrared: int, batch: int) -> int:
    """Number of batches in an epoch of the identity sampler."""
    return max(visible, infrared) // batch + 1


def fixed_pair_batches(pairs: int, batch: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch of stage 1 over pairs that never change, as in the authors' code: one permutation for both modalities.

    Args:
        pairs: number of images of each modality; the image at a position of one belongs to that of the other.

    Yields:
        The same row indices (batch,) for the visible and the infrared images, the last batch with what is left over;
        every pair once.
    """
    order = rng.permutation(pairs)
    for start in range(0, pairs, batch):
        yield order[start : start + batch], order[start : start + batch]


def paired_batches(
    visible_labels: np.ndarray, infrared_labels: np.ndarray, batch: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch of stage 1: the larger modality is permuted, and each image gets one of the same person from the other.

    Yields:
        Row indices (batch,) into the visible and the infrared images, labels aligned; `max(n_visible, n_infrared) //
        batch` batches, at least one.
    """
    swap = len(infrared_labels) > len(visible_labels)
    longer, shorter = (infrared_labels, visible_labels) if swap else (visible_labels, infrared_labels)
    rows = {person: np.flatnonzero(shorter == person) for person in np.unique(shorter)}
    order = rng.permutation([row for row, label in enumerate(longer) if label in rows])
    for start in range(0, max(len(order) - batch, 0) + 1, batch):
        first = order[start : start + batch]
        second = np.array([rng.choice(rows[longer[row]]) for row in first])
        yield (second, first) if swap else (first, second)
