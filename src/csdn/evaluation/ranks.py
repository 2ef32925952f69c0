"""Ranks of the correct gallery images of many queries, found without sorting the gallery's indices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from csdn.evaluation.closer_images import count_closer
from csdn.evaluation.gallery_identities import GalleryIdentities

Cmc = Literal["identity", "image"]

SORTED_ELEMENTS = 1 << 19  # similarities ranked at a time: few enough to stay in the processor's cache
THREADED_ELEMENTS = 1 << 22  # with fewer similarities, starting threads costs about what they save


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

    def rank(block_starts: Iterator[int]) -> None:
        scratch = _Scratch(np.empty((step, width), similarity.dtype), np.empty((step, width), bool))
        for start in block_starts:
            block = slice(start, min(start + step, queries))
            pairs = slice(bounds[start], bounds[block.stop])
            hidden = None if ignore is None else ignore[block]
            correct = _Correct(rows[pairs] - start, columns[pairs], counts[block])
            ranks[pairs], first[block] = _rank_block(similarity[block], hidden, correct, gallery, cmc, scratch, start)

    _for_each(rank, range(0, queries if width else 0, step), similarity.size >= THREADED_ELEMENTS)
    return _metrics_of_ranks(rows, ranks, counts, first, width)


class _Correct(NamedTuple):
    """Correct images of a block's queries: their rows and columns, by row, then by column, and how many a row has."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    counts: NDArray[np.int64]


class _Scratch(NamedTuple):
    """Memory that blocks use one after another: fresh memory for each would cost as much as filling it."""

    seen: NDArray
    marks: NDArray[np.bool_]


def _rank_block(
    similarity: NDArray,
    ignore: NDArray[np.bool_] | None,
    correct: _Correct,
    gallery: GalleryIdentities,
    cmc: Cmc,
    scratch: _Scratch,
    first_query: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank of each correct image, and rank of the first correct answer of each query (0: none)."""
    seen, marks = scratch.seen[: len(similarity)], scratch.marks[: len(similarity)]
    _check_finite(similarity, ignore, marks, first_query)
    existing = similarity
    if ignore is not None:
        # All bits set is a NaN: it sorts behind every number and compares as not closer.
        bits = np.int32 if seen.itemsize == 4 else np.int64
        hidden = np.negative(ignore.view(np.int8), out=marks.view(np.int8))
        np.bitwise_or(similarity.view(bits), hidden, out=seen.view(bits))
        existing = seen
    values = existing[correct.rows, correct.columns]
    asked = np.flatnonzero(correct.counts)
    starts = (np.cumsum(correct.counts) - correct.counts)[asked]
    best = np.full(len(existing), np.inf, existing.dtype)
    if len(asked):
        best[asked] = np.maximum.reduceat(values, starts)
    closer = np.greater(existing, best[:, None], out=marks) if cmc == "identity" else None
    count, tied = count_closer(existing, correct.rows, values, correct.counts, seen)
    ranks = count + 1
    if tied.any():
        _rank_equals(similarity, ignore, correct, ranks, tied, best, closer)
    first = np.zeros(len(similarity), np.int64)
    if closer is not None:
        first[asked] = 1 + gallery.count_identities(closer)[asked]
    elif len(asked):
        first[asked] = np.minimum.reduceat(ranks, starts)
    return ranks, first


def _check_finite(
    similarity: NDArray, ignore: NDArray[np.bool_] | None, marks: NDArray[np.bool_], first_query: int
) -> None:
    finite = np.isfinite(similarity, out=marks)
    if ignore is not None and not finite.all():
        finite |= ignore
    if not finite.all():
        raise ValueError(f"similarity of query {first_query + int(np.argmin(finite.all(axis=1)))} is not finite")


def _rank_equals(
    similarity: NDArray,
    ignore: NDArray[np.bool_] | None,
    correct: _Correct,
    ranks: NDArray[np.int64],
    tied: NDArray[np.bool_],
    best: NDArray,
    closer: NDArray[np.bool_] | None,
) -> None:
    """Put equal images that come earlier in the gallery before tied ones, in `ranks` and for the best in `closer`."""
    rows, columns, _ = correct
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


def _metrics_of_ranks(
    rows: NDArray[np.int64], ranks: NDArray[np.int64], counts: NDArray, first: NDArray[np.int64], width: int
) -> QueryMetrics:
    valid = counts > 0
    starts, counts = (np.cumsum(counts) - counts)[valid], counts[valid]
    ranks = np.sort(rows * (width + 1) + ranks) - rows * (width + 1)
    precision = (np.arange(1, len(ranks) + 1) - np.repeat(starts, counts)) / ranks
    totals = np.add.reduceat(precision, starts) if len(starts) else np.zeros(0)
    return QueryMetrics(totals / counts, counts / ranks[starts + counts - 1], first[valid], valid)


def _for_each(function: Callable[[Iterator[int]], None], items: range, threaded: bool) -> None:
    """Let `function` work through `items`, if `threaded` in as many threads as the matrix product may use.

    Threads take one item after another from the same iterator: a core that is slower or busy gets fewer of them.
    """
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed_threads = int(allowed) if allowed.isdecimal() and int(allowed) else cores
    threads = min(cores, allowed_threads, len(items)) if threaded else 1
    left = iter(items)  # taking from a range's iterator is one step of the interpreter: no two threads get the same
    if threads < 2:
        function(left)
        return
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(function, left) for _ in range(threads - 1)]
        function(left)
        for other in others:
            other.result()
