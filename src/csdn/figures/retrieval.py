"""Queries, gallery and ignored pairs of a protocol's first trial, as rows of the index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csdn.data.image_cache import to_records
from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.evaluation.protocols import find_protocol

TRIAL = 0


@dataclass(frozen=True)
class Retrieval:
    """A ranking task with its similarities.

    Attributes:
        query: (Q,) rows of the index.
        gallery: (G,) rows of the index, in the protocol's order.
        similarity: (Q, G) inner products; higher is closer.
        ignored: (Q, G) True for pairs that the protocol ignores.
    """

    query: NDArray[np.int64]
    gallery: NDArray[np.int64]
    similarity: NDArray[np.float32]
    ignored: NDArray[np.bool_]

    def order(self, query: int) -> NDArray[np.int64]:
        """Rows of the gallery, closest first, without ignored ones; ties in gallery order."""
        best = np.argsort(-self.similarity[query], kind="stable")
        return self.gallery[best[~self.ignored[query][best]]]


def first_trial(
    index: pd.DataFrame,
    split: str,
    protocol: str,
    rows: NDArray[np.int64],
    features: NDArray[np.float32],
    permutations: NDArray | None = None,
) -> Retrieval:
    """Queries and first gallery of a protocol with their similarities.

    Args:
        index: the dataset's index.
        split: whose test images are ranked.
        protocol: a name of `csdn.config.base.PROTOCOLS`.
        rows: (M,) rows of the index that were embedded.
        features: (M, D) their features.
        permutations: array of `exp/rand_perm_cam.mat` for SYSU-MM01's official gallery.

    Raises:
        UserError: an image that the protocol asks for was not embedded.
    """
    chosen = find_protocol(protocol)
    records = to_records(index, split)
    row_of = {record.path: row for row, record in enumerate(records)}
    queries, answers = chosen.query(records), chosen.gallery(records, TRIAL, permutations=permutations)
    query, gallery = (np.array([row_of[r.path] for r in side], dtype=np.int64) for side in (queries, answers))
    place = np.full(len(index), -1)
    place[rows] = np.arange(len(rows))
    lost = [row for row in (*query, *gallery) if place[row] < 0]
    if lost:
        raise UserError(f"embeddings: lack {records[lost[0]].path}; embed the images of this index again")
    ignored = np.zeros((len(query), len(gallery)), dtype=bool)
    if chosen.ignore is not None:
        ignored = chosen.ignore(*_labels(queries), *_labels(answers))
    return Retrieval(query, gallery, features[place[query]] @ features[place[gallery]].T, ignored)


def _labels(records: Sequence[ImageRecord]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([r.person_id for r in records]), np.array([r.camera_id for r in records])
