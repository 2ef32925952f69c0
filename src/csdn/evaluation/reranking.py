"""k-reciprocal re-ranking (Zhong et al., CVPR 2017), exact, vectorised and in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK_ELEMENTS = 1 << 24  # distances held at a time: 64 to 128 MiB


@dataclass(frozen=True, slots=True)
class Reranking:
    """Settings of k-reciprocal re-ranking, by default those of its authors.

    Attributes:
        k1: number of neighbours searched for reciprocal ones, at least 1.
        k2: number of neighbours whose encodings are averaged, at least 1.
        original_weight: share of the original distance in the final one, in [0, 1]; the rest is the Jaccard distance.
    """

    k1: int = 20
    k2: int = 6
    original_weight: float = 0.3

    def __post_init__(self) -> None:
        if self.k1 < 1 or self.k2 < 1 or not 0 <= self.original_weight <= 1:
            raise ValueError(f"{self}: expected k1 and k2 of at least 1 and original_weight in [0, 1]")


def reranked_blocks(
    query: NDArray, gallery: NDArray, settings: Reranking | None = None
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Similarity in [-1, 0] after re-ranking: `(rows, similarity of those queries to the gallery)` for each block.

    Distances are squared Euclidean, divided by the largest distance of each image; queries and gallery images are
    neighbours of one another alike. At equal distance queries come before gallery images. The authors' code rounds the
    encodings to half precision; here they have double precision.

    Args:
        query: (Q, D) finite features.
        gallery: (G, D) finite features.
        settings: how to re-rank.
    """
    settings = settings or Reranking()
    features = np.concatenate([query, gallery])
    neighbours, largest = _nearest(features, max(settings.k1 + 1, settings.k2))
    chosen = _expanded_reciprocal(neighbours, settings.k1)
    encodings = _encode(features, chosen, largest)
    if settings.k2 > 1:
        averaged = neighbours[:, : settings.k2]
        encodings = _indicator(averaged, len(features)) @ encodings / averaged.shape[1]
    query_encodings, gallery_encodings = encodings[: len(query)], encodings[len(query) :].tocsc()
    for rows in _blocks_of_cost(_pairs_to_compare(query_encodings, gallery_encodings) + len(features)):
        shared = _shared_weight(query_encodings[rows], gallery_encodings)
        original = _distances(features, rows)[:, len(query) :] / largest[rows, None]
        jaccard = 1 - shared / (2 - shared)
        yield rows, -((1 - settings.original_weight) * jaccard + settings.original_weight * original)


def _blocks(rows: int, width: int) -> Iterator[slice]:
    step = max(1, BLOCK_ELEMENTS // max(width, 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _blocks_of_cost(costs: NDArray[np.int64]) -> Iterator[slice]:
    """Slices of one or more rows with a bounded total cost each."""
    bounds = np.concatenate([[0], np.cumsum(costs)])
    start = 0
    while start < len(costs):
        stop = max(start + 1, int(np.searchsorted(bounds, bounds[start] + BLOCK_ELEMENTS, side="right")) - 1)
        yield slice(start, stop)
        start = stop


def _distances(features: NDArray, rows: slice) -> NDArray:
    """(B, N) squared Euclidean distances of some rows to all, 0 to themselves."""
    squares = np.einsum("nd,nd->n", features, features)
    distances = features[rows] @ features.T
    distances *= -2
    distances += squares[rows, None]
    distances += squares
    np.maximum(distances, 0, out=distances)
    distances[np.arange(rows.stop - rows.start), np.arange(rows.start, rows.stop)] = 0
    return distances


def _nearest(features: NDArray, count: int) -> tuple[NDArray[np.int64], NDArray]:
    """(N, count) nearest images of each image, itself included, ties by index; and (N,) its largest distance."""
    count = min(count, len(features))
    neighbours = np.empty((len(features), count), np.int64)
    largest = np.empty(len(features), features.dtype)
    for rows in _blocks(len(features), len(features)):
        distances = _distances(features, rows)
        neighbours[rows] = _smallest(distances, count)
        largest[rows] = distances.max(axis=1)
    return neighbours, np.where(largest > 0, largest, 1)


def _smallest(values: NDArray, count: int) -> NDArray[np.int64]:
    """(B, count) columns of the smallest values of each row, ascending, ties by column."""
    if count == values.shape[1]:
        return np.argsort(values, axis=1, kind="stable")
    columns = np.sort(np.argpartition(values, count - 1, axis=1)[:, :count], axis=1)
    found = np.take_along_axis(values, columns, axis=1)
    ambiguous = np.count_nonzero(values <= found.max(axis=1, keepdims=True), axis=1) > count
    columns = np.take_along_axis(columns, np.argsort(found, axis=1, kind="stable"), axis=1)
    columns[ambiguous] = np.argsort(values[ambiguous], axis=1, kind="stable")[:, :count]
    return columns


def _indicator(columns: NDArray[np.int64], width: int) -> csr_array:
    from scipy.sparse import csr_array

    rows, count = columns.shape
    bounds = np.arange(0, rows * count + 1, count)
    return csr_array((np.ones(columns.size), columns.reshape(-1), bounds), shape=(rows, width))


def _reciprocal(neighbours: NDArray[np.int64], k: int) -> csr_array:
    forward = _indicator(neighbours[:, : k + 1], len(neighbours))
    return forward.multiply(forward.T).tocsr()


def _expanded_reciprocal(neighbours: NDArray[np.int64], k1: int) -> csr_array:
    """(N, N) indicator of k1-reciprocal neighbours, extended by those of neighbours that share over 2/3 of theirs."""
    wide = _reciprocal(neighbours, k1)
    narrow = _reciprocal(neighbours, int(np.around(k1 / 2)))
    sizes = narrow.sum(axis=1)
    common = (wide @ narrow.T).multiply(wide).tocoo()
    common.data = (common.data > 2 / 3 * sizes[common.col]).astype(float)
    expanded = (wide + common.tocsr() @ narrow).tocsr()
    expanded.eliminate_zeros()
    expanded.data[:] = 1
    return expanded


def _encode(features: NDArray, chosen: csr_array, largest: NDArray) -> csr_array:
    """Gaussian weights of the chosen neighbours, each row summing to 1."""
    encodings = chosen.copy()
    for rows in _blocks(len(features), len(features)):
        pairs = slice(chosen.indptr[rows.start], chosen.indptr[rows.stop])
        row = np.repeat(np.arange(rows.stop - rows.start), np.diff(chosen.indptr[rows.start : rows.stop + 1]))
        near = _distances(features, rows)[row, chosen.indices[pairs]]
        encodings.data[pairs] = np.exp(-(near / largest[rows][row]).astype(np.float64))
    row = np.repeat(np.arange(len(features)), np.diff(chosen.indptr))
    encodings.data /= np.bincount(row, weights=encodings.data, minlength=len(features))[row]
    return encodings


def _pairs_to_compare(query: csr_array, gallery: csr_array) -> NDArray[np.int64]:
    """(Q,) number of weights that each query shares with gallery images."""
    held = np.concatenate([[0], np.cumsum(np.diff(gallery.indptr)[query.indices], dtype=np.int64)])
    return held[query.indptr[1:]] - held[query.indptr[:-1]]


def _shared_weight(query: csr_array, gallery: csr_array) -> NDArray[np.float64]:
    """(B, G) sum over images of the smaller of the two weights that a query and a gallery image give it.

    `gallery` (G, N) has compressed columns, so that the gallery images that give an image a weight are contiguous.
    """
    queries, width = query.shape[0], gallery.shape[0]
    row = np.repeat(np.arange(queries), np.diff(query.indptr))
    starts, counts = gallery.indptr[query.indices], np.diff(gallery.indptr)[query.indices].astype(np.int64)
    ends = np.cumsum(counts)
    entry = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
    smaller = np.minimum(np.repeat(query.data, counts), gallery.data[entry])
    cell = np.repeat(row * width, counts) + gallery.indices[entry]
    total: NDArray[np.float64] = np.bincount(cell, weights=smaller, minlength=queries * width).astype(np.float64)
    return total.reshape(queries, width)
