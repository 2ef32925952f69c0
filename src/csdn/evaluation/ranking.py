"""Retrieval metrics of all queries at once: CMC over identities or images, average precision, inverse negative penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Cmc = Literal["identity", "image"]
IgnoreRule = Callable[[NDArray, NDArray, NDArray, NDArray], NDArray[np.bool_]]

SORTED_ELEMENTS = 1 << 18  # similarities ranked at a time: a megabyte, so that they stay in the processor's cache
PRODUCT_ELEMENTS = 1 << 26  # similarities computed at a time from features: 256 MiB
MERGED_IMAGES = 64  # images of an identity merged one by one; a longer rest is merged at once


@dataclass(frozen=True, slots=True)
class RetrievalMetrics:
    """What retrieval of V valid queries (those with a correct gallery image that is not ignored) among Q gave.

    Attributes:
        cmc: (ranks,) share of valid queries whose first correct answer has rank 1, 2, ... or better, in [0, 1].
        mean_average_precision: mean of `average_precision`.
        mean_inverse_negative_penalty: mean of `inverse_negative_penalty`.
        average_precision: (V,) mean over the correct images of the share of correct ones among the images down to it.
        inverse_negative_penalty: (V,) number of correct images divided by the rank of the last one.
        first_match_rank: (V,) rank, from 1, of the first correct answer as the CMC counts it.
        valid: (Q,) which queries are valid.
    """

    cmc: NDArray[np.float64]
    mean_average_precision: float
    mean_inverse_negative_penalty: float
    average_precision: NDArray[np.float64]
    inverse_negative_penalty: NDArray[np.float64]
    first_match_rank: NDArray[np.int64]
    valid: NDArray[np.bool_]


def retrieval_metrics(
    similarity: ArrayLike,
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
    *,
    ignore: ArrayLike | None = None,
    cmc: Cmc = "identity",
    ranks: int = 20,
) -> RetrievalMetrics:
    """Metrics of ranking the gallery by similarity to each query.

    Equal similarities rank in gallery order. With `cmc="identity"` (SYSU-MM01, LLCM) the CMC counts distinct
    identities, each of which its best image stands for; with "image" (RegDB) it counts images. Average precision and
    inverse negative penalty always count images. A gallery smaller than `ranks` pads the CMC with its last value.
    Without any valid query the means are NaN.

    Args:
        similarity: (Q, G) finite numbers, higher is closer.
        query_ids: (Q,) identities.
        gallery_ids: (G,) identities.
        ignore: (Q, G) True where a gallery image does not exist for a query.
        cmc: what the CMC counts.
        ranks: length of the CMC.

    Raises:
        ValueError: shapes disagree, a similarity is not finite, `cmc` is unknown or `ranks` is below 1.

    Source: the evaluation code of Ye et al., *Deep Learning for Person Re-identification*, and its SYSU-MM01 variant.
    """
    similarity = _as_floats(similarity)
    query_ids, gallery = np.asarray(query_ids), GalleryIdentities(gallery_ids)
    masked = None if ignore is None else np.asarray(ignore, dtype=bool)
    _check(similarity, query_ids, gallery, masked, cmc, ranks)
    return summarize([rank_queries(similarity, query_ids, gallery, masked, cmc)], ranks)


def retrieval_metrics_from_features(
    query: ArrayLike,
    gallery: ArrayLike,
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
    *,
    query_cameras: ArrayLike | None = None,
    gallery_cameras: ArrayLike | None = None,
    ignore: IgnoreRule | None = None,
    cmc: Cmc = "identity",
    ranks: int = 20,
    block: int = 4096,
) -> RetrievalMetrics:
    """The same from features, with similarity = inner product, in bounded memory.

    Args:
        query: (Q, D) features.
        gallery: (G, D) features.
        query_ids: (Q,) identities.
        gallery_ids: (G,) identities.
        query_cameras: (Q,) cameras, needed if `ignore` is given.
        gallery_cameras: (G,) cameras, needed if `ignore` is given.
        ignore: rule `(query_ids, query_cameras, gallery_ids, gallery_cameras) -> (q, G) bool`, asked for each block of
            queries (`csdn.evaluation.protocols` has those of the datasets).
        cmc: what the CMC counts (see `retrieval_metrics`).
        ranks: length of the CMC.
        block: most queries in a block; fewer are taken where the gallery is large.

    Raises:
        ValueError: as `retrieval_metrics`, or `ignore` without cameras.
    """
    query, gallery = _as_floats(query), _as_floats(gallery)
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1]:
        raise ValueError(f"features have shapes {query.shape} and {gallery.shape}; expected (Q, D) and (G, D)")
    if ignore is not None and (query_cameras is None or gallery_cameras is None):
        raise ValueError("ignore needs query_cameras and gallery_cameras")
    query_ids, identities = np.asarray(query_ids), GalleryIdentities(gallery_ids)
    query_cameras, gallery_cameras = np.asarray(query_cameras), np.asarray(gallery_cameras)
    parts = []
    for rows in blocks(len(query), len(gallery), block):
        similarity = query[rows] @ gallery.T
        masked = None
        if ignore is not None:
            masked = ignore(query_ids[rows], query_cameras[rows], identities.ids, gallery_cameras)
        _check(similarity, query_ids[rows], identities, masked, cmc, ranks)
        parts.append(rank_queries(similarity, query_ids[rows], identities, masked, cmc))
    return summarize(parts, ranks)


def blocks(queries: int, gallery: int, most: int) -> Iterator[slice]:
    """Slices of `queries` rows, of at most `most` rows and so few that a block of similarities has a bounded size."""
    step = max(1, min(most, PRODUCT_ELEMENTS // max(gallery, 1)))
    for start in range(0, queries, step):
        yield slice(start, min(start + step, queries))


class GalleryIdentities:
    """The gallery's images grouped by identity, computed once for all queries.

    Attributes:
        ids: (G,) identities.
    """

    def __init__(self, ids: ArrayLike) -> None:
        self.ids = np.asarray(ids)
        self._order = np.argsort(self.ids, kind="stable")
        self._persons, self._starts, self._counts = np.unique(
            self.ids[self._order], return_index=True, return_counts=True
        )
        self._plan_merging()

    def __len__(self) -> int:
        return len(self.ids)

    def correct_images(self, query_ids: NDArray) -> tuple[NDArray, NDArray]:
        """`(rows, columns)` of all pairs of a query and a gallery image of its identity, by row, then by column."""
        if not len(self._persons):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        person = np.minimum(np.searchsorted(self._persons, query_ids), len(self._persons) - 1)
        counts = np.where(self._persons[person] == query_ids, self._counts[person], 0)
        rows = np.repeat(np.arange(len(query_ids)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self._order[np.repeat(self._starts[person], counts) + within]

    def count_identities(self, images: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(B,) number of distinct identities among the images marked in each row of `images` (B, G)."""
        shuffled = np.take(images, self._merging_order, axis=1, mode="clip")
        present = shuffled[:, : len(self._persons)]
        for start, width in self._merged:
            part = present[:, :width]
            np.logical_or(part, shuffled[:, start : start + width], out=part)
        for person, start, stop in self._rests:
            present[:, person] |= shuffled[:, start:stop].any(axis=1)
        return np.count_nonzero(present, axis=1)

    def _plan_merging(self) -> None:
        """Order the columns so that merging identities takes few operations on contiguous columns.

        Identities stand by falling number of images: first the first image of each, then the second image of those that
        have one, and so on; then the rest of those with very many images.
        """
        largest_first = np.argsort(-self._counts, kind="stable")
        starts, counts = self._starts[largest_first], self._counts[largest_first]
        columns, self._merged, self._rests, position = [], [], [], 0
        for image in range(min(MERGED_IMAGES, counts.max(initial=0))):
            width = int(np.searchsorted(-counts, -image, side="left"))
            columns.append(self._order[starts[:width] + image])
            if image:
                self._merged.append((position, width))
            position += width
        for person in range(int(np.searchsorted(-counts, -MERGED_IMAGES, side="left"))):
            rest = self._order[starts[person] + MERGED_IMAGES : starts[person] + counts[person]]
            columns.append(rest)
            self._rests.append((person, position, position + len(rest)))
            position += len(rest)
        self._merging_order = np.concatenate(columns) if columns else np.zeros(0, np.intp)


@dataclass(frozen=True, slots=True)
class QueryMetrics:
    """Metrics of each query of a block; the fields are those of `RetrievalMetrics`."""

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
    """Metrics of the queries with similarities (Q, G); see `retrieval_metrics`, which checks the arguments."""
    queries, width = similarity.shape
    rows, columns = gallery.correct_images(query_ids)
    if ignore is not None:
        kept = ~ignore[rows, columns]
        rows, columns = rows[kept], columns[kept]
    counts = np.bincount(rows, minlength=queries)
    bounds = np.concatenate([[0], np.cumsum(counts)])
    ranks, first = np.empty(len(rows), np.int64), np.zeros(queries, np.int64)
    step = max(1, SORTED_ELEMENTS // max(width, 1))
    for start in range(0, queries, step):
        block = slice(start, min(start + step, queries))
        pairs = slice(bounds[start], bounds[block.stop])
        work = similarity[block]
        if ignore is not None:
            work = work.copy()
            np.putmask(work, ignore[block], -np.inf)
        ranks[pairs], first[block] = _rank_block(work, rows[pairs] - start, columns[pairs], gallery, cmc)
    return _summarize_ranks(rows, ranks, counts, first, width)


def _rank_block(
    work: NDArray, rows: NDArray, columns: NDArray, gallery: GalleryIdentities, cmc: Cmc
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank of each correct image `(rows, columns)` and rank of the first correct answer of each row (0: none)."""
    values = work[rows, columns]
    ranks, tied = _ranks_by_sorting(work, rows, values)
    pairs = np.flatnonzero(tied)
    for some in np.array_split(pairs, 1 + len(pairs) * work.shape[1] // SORTED_ELEMENTS):
        equal = work[rows[some]] == values[some, None]
        ranks[some] += (equal & (np.arange(work.shape[1]) < columns[some, None])).sum(axis=1)
    first = np.zeros(len(work), np.int64)
    if not len(rows):
        return ranks, first
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    best_ranks = np.minimum.reduceat(ranks, starts)
    best = np.flatnonzero(ranks == np.repeat(best_ranks, np.diff(starts, append=len(rows))))
    first[rows[best]] = best_ranks
    if cmc == "identity":
        threshold = np.full(len(work), np.inf, work.dtype)
        threshold[rows[best]] = values[best]
        closer = work > threshold[:, None]
        for pair in best[tied[best]]:
            ahead = slice(0, columns[pair])
            closer[rows[pair], ahead] |= work[rows[pair], ahead] == values[pair]
        first[rows[best]] = 1 + gallery.count_identities(closer)[rows[best]]
    return ranks, first


def _ranks_by_sorting(work: NDArray, rows: NDArray, values: NDArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rank of `values` in their rows of `work` if they are the first of equals, and whether there are equals.

    Sorting the values alone is several times faster than sorting their indices; the few values of interest are then
    found by bisection, in all rows at once.
    """
    width = work.shape[1]
    ascending = np.sort(work, axis=1)
    flat = ascending.reshape(-1)
    position = rows * width
    remaining = width
    while remaining > 1:
        half = remaining // 2
        position += half * (np.take(flat, position + (half - 1)) <= values)
        remaining -= half
    position += np.take(flat, position) <= values
    return (rows + 1) * width - position + 1, np.take(flat, position - 2) == values


def _summarize_ranks(
    rows: NDArray, ranks: NDArray, counts: NDArray, first: NDArray[np.int64], width: int
) -> QueryMetrics:
    valid = counts > 0
    starts, counts = (np.cumsum(counts) - counts)[valid], counts[valid]
    ranks = np.sort(rows * (width + 1) + ranks) - rows * (width + 1)
    precision = (np.arange(len(ranks)) - np.repeat(starts, counts) + 1) / ranks
    totals = np.add.reduceat(precision, starts) if len(starts) else np.zeros(0)
    return QueryMetrics(totals / counts, counts / ranks[starts + counts - 1], first[valid], valid)


def summarize(parts: list[QueryMetrics], ranks: int) -> RetrievalMetrics:
    """Metrics of all queries from those of its blocks, in order."""
    average, inverse, first, valid = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("average_precision", "inverse_negative_penalty", "first_match_rank", "valid")
    )
    with np.errstate(invalid="ignore"):
        cmc = np.bincount(np.minimum(first, ranks + 1), minlength=ranks + 2)[1 : ranks + 1].cumsum() / np.float64(
            len(first)
        )
    precision, penalty = (float(x.mean()) if len(x) else float("nan") for x in (average, inverse))
    return RetrievalMetrics(cmc, precision, penalty, average, inverse, first, valid)


def _as_floats(values: ArrayLike) -> NDArray:
    array = np.asarray(values)
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def _check(
    similarity: NDArray, query_ids: NDArray, gallery: GalleryIdentities, ignore: NDArray | None, cmc: str, ranks: int
) -> None:
    shape = (len(query_ids), len(gallery))
    if similarity.shape != shape:
        raise ValueError(f"similarity has shape {similarity.shape}; expected (queries, gallery) = {shape}")
    if ignore is not None and ignore.shape != shape:
        raise ValueError(f"ignore has shape {ignore.shape}; expected (queries, gallery) = {shape}")
    if cmc not in ("identity", "image"):
        raise ValueError(f'cmc is {cmc!r}; expected "identity" or "image"')
    if ranks < 1:
        raise ValueError(f"ranks is {ranks}; expected at least 1")
    if not np.isfinite(similarity).all():
        raise ValueError(f"similarity of query {int(np.argmin(np.isfinite(similarity).all(axis=1)))} is not finite")
