"""Ranks of the correct gallery images of many queries, found without sorting the gallery's indices."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from csdn.evaluation.gallery_identities import GalleryIdentities

Cmc = Literal["identity", "image"]

SORTED_ELEMENTS = 1 << 18  # similarities ranked at a time: a megabyte, so that they stay in the processor's cache


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
    similarity: NDArray,
    query_ids: NDArray,
    gallery: GalleryIdentities,
    ignore: NDArray[np.bool_] | None,
    cmc: Cmc,
) -> QueryMetrics:
    """Metrics of queries from their similarities (Q, G), float32 or float64, to the gallery.

    Blocks of queries are ranked in as many threads as the matrix product may use (OMP_NUM_THREADS).

    Raises:
        ValueError: a similarity that is not ignored is not finite.
    """
    queries, width = similarity.shape
    rows, columns = gallery.correct_images(query_ids)
    if ignore is not None:
        kept = ~ignore[rows, columns]
        rows, columns = rows[kept], columns[kept]
    counts = np.bincount(rows, minlength=queries)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    ranks, first = np.empty(len(rows), np.int64), np.zeros(queries, np.int64)
    step = max(1, SORTED_ELEMENTS // max(width, 1))

    def rank(start: int) -> None:
        block = slice(start, min(start + step, queries))
        pairs = slice(bounds[start], bounds[block.stop])
        hidden = None if ignore is None else ignore[block]
        ranks[pairs], first[block] = _rank_block(
            similarity[block], hidden, rows[pairs] - start, columns[pairs], gallery, cmc, start
        )

    starts = range(0, queries, step)
    with ThreadPoolExecutor(max(1, min(_threads(), len(starts)))) as pool:
        list(pool.map(rank, starts))
    return _metrics_of_ranks(rows, ranks, counts, first, width)


def _rank_block(
    similarity: NDArray,
    ignore: NDArray[np.bool_] | None,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    gallery: GalleryIdentities,
    cmc: Cmc,
    first_query: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank of each correct image `(rows, columns)`, and rank of the first correct answer of each row (0: none)."""
    work, existing = similarity.copy(), np.full(len(similarity), similarity.shape[1])
    if ignore is not None:
        # All bits set is a NaN: it sorts behind every number and compares as not closer.
        bits = work.view(np.int32 if work.itemsize == 4 else np.int64)
        np.bitwise_or(bits, np.negative(ignore.view(np.int8)), out=bits)
        existing -= np.count_nonzero(ignore, axis=1)
    first = np.zeros(len(work), np.int64)
    values = work[rows, columns]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    best = np.full(len(work), np.inf, work.dtype)
    if len(rows):
        best[rows[starts]] = np.maximum.reduceat(values, starts)
    closer = work > best[:, None] if cmc == "identity" else None
    work.sort(axis=1)
    _check_finite(work, existing, first_query)
    ranks, tied = _bisect(work, existing, rows, values)
    if tied.any():
        _rank_equals(similarity, ignore, rows, columns, ranks, tied, best, closer)
    if closer is not None:
        first[rows[starts]] = 1 + gallery.count_identities(closer)[rows[starts]]
    elif len(rows):
        first[rows[starts]] = np.minimum.reduceat(ranks, starts)
    return ranks, first


def _bisect(
    ascending: NDArray, existing: NDArray[np.int64], rows: NDArray[np.int64], values: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rank that `values` have in their rows if they come first among equals, and whether they may have equals.

    Sorting values alone is several times faster than sorting their indices, and the few values of interest are found by
    bisection in all rows at once.
    """
    flat, width = ascending.reshape(-1), ascending.shape[1]
    row_starts = rows * width
    position, remaining = row_starts.copy(), width
    while remaining > 1:
        half = remaining // 2
        position += half * (np.take(flat[half - 1 :], position) <= values)
        remaining -= half
    position += np.take(flat, position) <= values
    return existing[rows] - (position - row_starts) + 1, np.take(flat, position - 2) == values


def _rank_equals(
    similarity: NDArray,
    ignore: NDArray[np.bool_] | None,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    ranks: NDArray[np.int64],
    tied: NDArray[np.bool_],
    best: NDArray,
    closer: NDArray[np.bool_] | None,
) -> None:
    """Put equal images that come earlier in the gallery before tied ones, in `ranks` and for the best in `closer`."""
    width = similarity.shape[1]
    leads = np.flatnonzero(similarity[rows, columns] == best[rows])
    leads = leads[np.diff(rows[leads], prepend=-1) != 0]
    is_lead = np.zeros(len(rows), bool)
    is_lead[leads] = True
    pairs = np.flatnonzero(tied)
    for some in np.array_split(pairs, 1 + len(pairs) * width // SORTED_ELEMENTS):
        ahead = similarity[rows[some]] == similarity[rows[some], columns[some]][:, None]
        ahead &= np.arange(width) < columns[some, None]
        if ignore is not None:
            ahead &= ~ignore[rows[some]]
        ranks[some] += np.count_nonzero(ahead, axis=1)
        if closer is not None:
            closer[rows[some[is_lead[some]]]] |= ahead[is_lead[some]]


def _check_finite(ascending: NDArray, existing: NDArray[np.int64], first_query: int) -> None:
    last = ascending[np.arange(len(ascending)), existing - 1] if ascending.shape[1] else existing
    wrong = (existing > 0) & ~(np.isfinite(last) & np.isfinite(ascending[:, :1].sum(axis=1)))
    if wrong.any():
        raise ValueError(f"similarity of query {first_query + int(np.argmax(wrong))} is not finite")


def _metrics_of_ranks(
    rows: NDArray[np.int64], ranks: NDArray[np.int64], counts: NDArray, first: NDArray[np.int64], width: int
) -> QueryMetrics:
    valid = counts > 0
    starts, counts = (np.cumsum(counts) - counts)[valid], counts[valid]
    ranks = np.sort(rows * (width + 1) + ranks) - rows * (width + 1)
    precision = (np.arange(1, len(ranks) + 1) - np.repeat(starts, counts)) / ranks
    totals = np.add.reduceat(precision, starts) if len(starts) else np.zeros(0)
    return QueryMetrics(totals / counts, counts / ranks[starts + counts - 1], first[valid], valid)


def _threads() -> int:
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, int(allowed)) if allowed.isdecimal() and int(allowed) else cores
