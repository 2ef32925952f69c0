"""Metrics of single queries, as their definitions say: the gallery is sorted for each query."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Cmc = Literal["identity", "image"]

SORTED_ELEMENTS = 1 << 20  # similarities sorted at a time, which bounds the memory


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """Metrics of each of Q queries, V of them valid (with a correct gallery image that is not ignored).

    Attributes:
        average_precision: (V,) mean over the correct images of the share of correct ones among the images down to it.
        inverse_negative_penalty: (V,) number of correct images divided by the rank of the last one.
        first_match_rank: (V,) rank, from 1, of the first correct answer as the CMC counts it.
        valid: (Q,) which queries are valid.
    """

    average_precision: NDArray[np.float64]
    inverse_negative_penalty: NDArray[np.float64]
    first_match_rank: NDArray[np.int64]
    valid: NDArray[np.bool_]


def rank_queries(
    similarity: NDArray, query_ids: NDArray, gallery_ids: NDArray, ignore: NDArray[np.bool_] | None, cmc: Cmc
) -> list[QueryMetrics]:
    """Metrics of queries from their similarities (Q, G), float32 or float64, to the gallery, in blocks of queries.

    Raises:
        ValueError: a similarity that is not ignored is not finite.
    """
    finite = np.isfinite(similarity) if ignore is None else np.isfinite(similarity) | ignore
    if not finite.all():
        raise ValueError(f"similarity of query {int(np.argmin(finite.all(axis=1)))} is not finite")
    step = max(1, SORTED_ELEMENTS // max(similarity.shape[1], 1))
    blocks = (slice(start, start + step) for start in range(0, len(similarity), step))
    return [
        _rank_block(similarity[rows], query_ids[rows], gallery_ids, None if ignore is None else ignore[rows], cmc)
        for rows in blocks
    ]


def _rank_block(
    similarity: NDArray, query_ids: NDArray, gallery_ids: NDArray, ignore: NDArray[np.bool_] | None, cmc: Cmc
) -> QueryMetrics:
    distance = -similarity if ignore is None else np.where(ignore, np.inf, -similarity)  # what is ignored comes last
    order = _stable_order(distance)
    answers = gallery_ids[order]
    correct = answers == query_ids[:, None]
    if ignore is not None:
        correct &= ~np.take_along_axis(ignore, order, axis=1)
    counts = np.count_nonzero(correct, axis=1)
    valid = counts > 0
    counts = counts[valid]
    starts = np.cumsum(counts) - counts
    ranks = np.nonzero(correct)[1] + 1  # of the correct images, query by query, ascending
    found = np.arange(1, len(ranks) + 1) - np.repeat(starts, counts)  # correct images down to each of them
    precision = np.add.reduceat(found / ranks, starts) if len(starts) else np.zeros(0)
    first = ranks[starts] if cmc == "image" else _identities_down_to(ranks[starts], answers[valid])
    return QueryMetrics(precision / counts, counts / ranks[starts + counts - 1], first, valid)


def _stable_order(distance: NDArray) -> NDArray[np.int64]:
    """Columns of each row by rising distance, equal ones in their order, except that those of infinity may be mixed."""
    order = np.argsort(distance, axis=1)  # several times faster than a stable sort, which few rows need
    ranked = np.take_along_axis(distance, order, axis=1)
    tied = ((ranked[:, 1:] == ranked[:, :-1]) & (ranked[:, 1:] < np.inf)).any(axis=1)
    order[tied] = np.argsort(distance[tied], axis=1, kind="stable")
    return order


def _identities_down_to(ranks: NDArray[np.int64], answers: NDArray) -> NDArray[np.int64]:
    """(V,) how many identities the first `ranks` (V,) of each row of `answers` (V, G) show."""
    return np.array([len(set(row[:rank].tolist())) for row, rank in zip(answers, ranks, strict=True)], dtype=np.int64)
