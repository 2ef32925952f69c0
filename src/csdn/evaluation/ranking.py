"""Retrieval metrics: CMC over identities or images, average precision and inverse negative penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from csdn.evaluation.ranks import Cmc, QueryMetrics, rank_queries

IgnoreRule = Callable[[NDArray, NDArray, NDArray, NDArray], NDArray[np.bool_]]

PRODUCT_ELEMENTS = 1 << 26  # similarities computed from features at a time: 256 MiB


@dataclass(frozen=True, slots=True)
class RetrievalMetrics(QueryMetrics):
    """Metrics of each query, and of all of them.

    Attributes:
        cmc: (ranks,) share of valid queries whose first correct image has rank 1, 2, ... or better, in [0, 1].
        mean_average_precision: mean of `average_precision`.
        mean_inverse_negative_penalty: mean of `inverse_negative_penalty`.
    """

    cmc: NDArray[np.float64]
    mean_average_precision: float
    mean_inverse_negative_penalty: float


def retrieval_metrics(
    similarity: ArrayLike,
    query_ids: ArrayLike,
    gallery_ids: ArrayLike,
    *,
    ignore: ArrayLike | None = None,
    cmc: Cmc = "identity",
    ranks: int = 20,
) -> RetrievalMetrics:
    """Metrics of ranking the gallery by its similarity to each query.

    Equal similarities rank in gallery order. With `cmc="identity"` (SYSU-MM01, LLCM) the CMC counts distinct
    identities, each at the rank of its best image; with "image" (RegDB) it counts images. Average precision and inverse
    negative penalty always count images. If the gallery is smaller than `ranks`, the CMC is padded with its last value.
    Without any valid query the means are NaN.

    Args:
        similarity: (Q, G) numbers, higher is closer; finite unless ignored.
        query_ids: (Q,) identities.
        gallery_ids: (G,) identities.
        ignore: (Q, G) True for gallery images to leave out of a query's ranking.
        cmc: what the CMC counts.
        ranks: length of the CMC.

    Raises:
        ValueError: shapes disagree, a similarity is not finite, `cmc` is unknown or `ranks` is below 1.

    Source: the evaluation code of Ye et al., *Deep Learning for Person Re-identification* (TPAMI 2022), and its variant
    for SYSU-MM01.
    """
    similarity = as_floats(similarity)
    query_ids, gallery_ids = np.asarray(query_ids), np.asarray(gallery_ids)
    hidden = None if ignore is None else np.asarray(ignore, dtype=bool)
    _check(similarity, query_ids, gallery_ids, hidden, cmc, ranks)
    return summarize(rank_queries(similarity, query_ids, gallery_ids, hidden, cmc), ranks)


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
    """The metrics of `retrieval_metrics` from features, whose inner product is the similarity, in bounded memory.

    Args:
        query: (Q, D) features.
        gallery: (G, D) features.
        query_ids: (Q,) identities.
        gallery_ids: (G,) identities.
        query_cameras: (Q,) cameras; needed with `ignore`.
        gallery_cameras: (G,) cameras; needed with `ignore`.
        ignore: rule `(query_ids, query_cameras, gallery_ids, gallery_cameras) -> (q, G) bool`, called for each block
            of queries; `csdn.evaluation.protocols` has those of the datasets (`Protocol.ignore`).
        cmc: what the CMC counts (see `retrieval_metrics`).
        ranks: length of the CMC.
        block: largest number of queries in a block; with a large gallery there are fewer.

    Raises:
        ValueError: as `retrieval_metrics`; also for `ignore` without cameras, or `block` below 1.
    """
    query, gallery = as_floats(query), as_floats(gallery)
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1]:
        raise ValueError(f"features have shapes {query.shape} and {gallery.shape}; expected (Q, D) and (G, D)")
    if ignore is not None and (query_cameras is None or gallery_cameras is None):
        raise ValueError("ignore needs query_cameras and gallery_cameras")
    if block < 1:
        raise ValueError(f"block is {block}; expected at least 1")
    query_ids, gallery_ids = np.asarray(query_ids), np.asarray(gallery_ids)
    query_cameras, gallery_cameras = np.asarray(query_cameras), np.asarray(gallery_cameras)
    if len(query_ids) != len(query):
        raise ValueError(f"query_ids has shape {query_ids.shape}; expected ({len(query)},)")
    parts: list[QueryMetrics] = []
    for rows in blocks(len(query), len(gallery), block):
        similarity = query[rows] @ gallery.T
        hidden = None
        if ignore is not None:
            hidden = ignore(query_ids[rows], query_cameras[rows], gallery_ids, gallery_cameras)
        _check(similarity, query_ids[rows], gallery_ids, hidden, cmc, ranks)
        parts += rank_queries(similarity, query_ids[rows], gallery_ids, hidden, cmc)
    return summarize(parts, ranks)


def blocks(queries: int, gallery: int, most: int) -> Iterator[slice]:
    """One or more slices of `queries` rows, with at most `most` rows and a bounded number of similarities each."""
    step = max(1, min(most, PRODUCT_ELEMENTS // max(gallery, 1)))
    for start in range(0, max(queries, 1), step):
        yield slice(start, min(start + step, queries))


def summarize(parts: Sequence[QueryMetrics], ranks: int) -> RetrievalMetrics:
    """Metrics of all queries from those of their blocks, in order."""
    average = np.concatenate([np.zeros(0), *(part.average_precision for part in parts)])
    inverse = np.concatenate([np.zeros(0), *(part.inverse_negative_penalty for part in parts)])
    first = np.concatenate([np.zeros(0, np.int64), *(part.first_match_rank for part in parts)])
    valid = np.concatenate([np.zeros(0, bool), *(part.valid for part in parts)])
    if not len(first):
        nothing = np.full(ranks, np.nan)
        return RetrievalMetrics(average, inverse, first, valid, nothing, float("nan"), float("nan"))
    answered = np.bincount(np.minimum(first, ranks + 1), minlength=ranks + 2)[1 : ranks + 1]
    cmc = answered.cumsum() / len(first)
    return RetrievalMetrics(average, inverse, first, valid, cmc, float(average.mean()), float(inverse.mean()))


def as_floats(values: ArrayLike) -> NDArray:
    """`values` as float32 or float64: half precision becomes float32, other types float64."""
    array = np.asarray(values)
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype == np.float16 else np.float64)


def _check(
    similarity: NDArray, query_ids: NDArray, gallery_ids: NDArray, ignore: NDArray | None, cmc: str, ranks: int
) -> None:
    shape = (len(query_ids), len(gallery_ids))
    if similarity.shape != shape:
        raise ValueError(f"similarity has shape {similarity.shape}; expected (queries, gallery) = {shape}")
    if ignore is not None and ignore.shape != shape:
        raise ValueError(f"ignore has shape {ignore.shape}; expected (queries, gallery) = {shape}")
    if cmc not in ("identity", "image"):
        raise ValueError(f'cmc is {cmc!r}; expected "identity" or "image"')
    if ranks < 1:
        raise ValueError(f"ranks is {ranks}; expected at least 1")
