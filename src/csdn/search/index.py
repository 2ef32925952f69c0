"""Nearest neighbours by cosine similarity: an exact scan in bounded memory, and two approximate indices of faiss.

An approximate index keeps short codes in memory and proposes candidates, which are then ordered by the features
themselves, which can stay on disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from csdn.data.vectors import unit_vectors
from csdn.errors import UserError

KINDS = ("flat", "ivf-pq", "hnsw")
FEWEST = {"ivf-pq": 1000, "hnsw": 2}  # images; a product quantiser learns 256 centroids for each part
REDUCED = 256  # dimensions kept for the codes
PART = 4  # dimensions encoded by each byte of a product-quantised code
LINKS = 16  # links of a node in the HNSW graph
TRAINED_ON = 30_000  # largest number of vectors to train on
BLOCK = 8192  # vectors in memory at once


def blocks(features: np.ndarray, size: int = BLOCK) -> Iterator[tuple[int, np.ndarray]]:
    """First row and unit vectors of each block of features (N, D), which may be memory-mapped."""
    for start in range(0, len(features), size):
        yield start, unit_vectors(features[start : start + size], np.float32)


def exact_search(
    features: np.ndarray, queries: np.ndarray, top: int, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """The `top` most similar rows for each query, by comparing it with all rows; ties in the order of rows.

    Args:
        features: (N, D), not necessarily of unit length; may be memory-mapped.
        queries: (Q, D).
        top: at most N are returned.
        block: rows compared at a time; memory is proportional to it.

    Returns:
        Cosine similarities (Q, top), descending, and rows (Q, top).
    """
    asked = unit_vectors(queries, np.float32)
    best = np.empty((len(asked), 0), dtype=np.float32)
    rows = np.empty((len(asked), 0), dtype=np.int64)
    for start, vectors in blocks(features, block):
        similarity = np.concatenate([best, asked @ vectors.T], axis=1)
        here = np.broadcast_to(np.arange(start, start + len(vectors)), (len(asked), len(vectors)))
        found = np.concatenate([rows, here], axis=1)
        best, rows = _largest(similarity, found, top)
    return best, rows


def build_index(features: np.ndarray, kind: str, *, seed: int = 0) -> Any:
    """An approximate index of features (N, D), which are read twice: a sample for training, then all in blocks.

    `ivf-pq`: principal components, inverted lists, product-quantised codes of up to 64 bytes. `hnsw`: principal
    components, 8 bits each, in a navigable small-world graph.

    Args:
        features: may be memory-mapped.
        kind: one of KINDS except `flat`.
        seed: draws the sample.

    Returns:
        A faiss index whose ids are rows.

    Raises:
        UserError: faiss is missing, or there are too few vectors.
    """
    faiss = import_faiss()
    count, width = features.shape
    if count < FEWEST[kind]:
        raise UserError(f"--kind {kind}: needs at least {FEWEST[kind]:,} images, but there are {count}; use flat")
    sample = np.sort(np.random.default_rng(seed).permutation(count)[:TRAINED_ON])
    learn_from = unit_vectors(features[sample], np.float32)
    index = faiss.index_factory(width, _factory(kind, count, width, len(sample)), faiss.METRIC_INNER_PRODUCT)
    if kind == "hnsw":
        faiss.downcast_index(index.index).hnsw.efConstruction = 40
    else:
        quantiser = faiss.downcast_index(index.index).pq.cp
        quantiser.min_points_per_centroid, quantiser.niter = 1, 10  # we check FEWEST instead
    index.train(learn_from)
    del learn_from
    for _, vectors in blocks(features):
        index.add(vectors)
    return index


def _factory(kind: str, count: int, width: int, sample: int) -> str:
    """The index in faiss's own notation."""
    reduced = min(REDUCED, width, sample)
    if kind == "hnsw":
        return f"PCA{reduced},HNSW{LINKS}_SQ8"
    reduced -= reduced % PART if reduced > PART else 0
    parts = max(1, reduced // PART)
    lists = max(1, min(round(2 * math.sqrt(count)), sample // 39))  # faiss recommends 39 vectors per list
    return f"PCA{reduced},IVF{lists},PQ{parts}np"  # np: without polysemous codes, which take seconds per part to train


def search_index(
    index: Any, features: np.ndarray, queries: np.ndarray, top: int, *, effort: int = 64, candidates: int = 100
) -> tuple[np.ndarray, np.ndarray]:
    """Like `exact_search`, among the candidates that an approximate index proposes.

    Args:
        index: from `build_index`.
        features: those it was built from.
        queries: (Q, D).
        top: neighbours to return.
        effort: number of inverted lists to search, or of candidates kept while walking the graph.
        candidates: number of candidates to compare by their features; at least `top`.

    Returns:
        Cosine similarities (Q, top) and rows (Q, top); where fewer were found, -inf and -1 at the end.
    """
    faiss = import_faiss()
    asked = unit_vectors(queries, np.float32)
    wanted = min(max(top, candidates), len(features))
    inner = faiss.downcast_index(index.index)
    if isinstance(inner, faiss.IndexIVF):
        inner.nprobe = effort
    else:
        inner.hnsw.efSearch = max(effort, wanted)
    _, named = index.search(asked, wanted)
    best = np.full((len(asked), wanted), -np.inf, dtype=np.float32)
    for query, rows in enumerate(named):
        rows[rows >= 0] = np.sort(rows[rows >= 0])  # reads the disk in order, and gives ties in the order of rows
        kept = rows >= 0
        if kept.any():
            best[query, kept] = unit_vectors(features[rows[kept]], np.float32) @ asked[query]
    return _largest(best, named, top)


def _largest(similarity: np.ndarray, rows: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The `top` largest columns of each row, descending; ties keep their order."""
    order = np.argsort(-similarity, axis=1, kind="stable")[:, :top]
    return np.take_along_axis(similarity, order, axis=1), np.take_along_axis(rows, order, axis=1)


def import_faiss() -> Any:
    """faiss, which is an optional dependency.

    Raises:
        UserError: it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise UserError(
            "faiss is not installed: .venv/bin/pip install -c constraints.txt -e '.[search]'; or use --kind flat"
        ) from None
    return faiss
