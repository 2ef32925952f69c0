"""How many gallery images are closer than the correct ones: counted where those are few, found by sorting otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNTED_IMAGES = 16  # with more correct images to a query, sorting its row once is faster than comparing with each
COMPARISONS = 1 << 22  # comparisons made at a time: with fewer, threads wait for one another
WORDS = 255  # eight-byte words summed at a time: beyond it a byte of the sum could overflow
BYTE, LAST_PAIR = np.uint64(8), np.uint64(48)
EVERY_SECOND_BYTE, ONES = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0001000100010001)


def count_closer(
    similarity: NDArray, rows: NDArray[np.int64], values: NDArray, counts: NDArray[np.int64], scratch: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number of images closer than each correct image, and whether the correct image has equals.

    Args:
        similarity: (B, G) float32 or float64, higher is closer; NaN where an image does not exist.
        rows: (P,) row of each correct image, not falling.
        values: (P,) its similarity, which is in that row.
        counts: (B,) correct images of each row.
        scratch: (B, G) memory of the same type to be overwritten; may be that of `similarity`.
    """
    if counts.max(initial=0) <= COUNTED_IMAGES:
        return _by_comparing(similarity, rows, values, counts)
    return _by_sorting(np.negative(similarity, out=scratch), rows, -values)


def _by_comparing(
    similarity: NDArray, rows: NDArray[np.int64], values: NDArray, counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Compare every similarity with each value and with the next smaller number, which its equals are above."""
    height, width = similarity.shape
    most = int(counts.max(initial=0))
    place = np.arange(len(rows)) - (np.cumsum(counts) - counts)[rows]
    limits = np.full((height, 2 * most), np.inf, similarity.dtype)
    limits[rows, place] = values
    limits[rows, most + place] = np.nextafter(values, values.dtype.type(-np.inf))
    above = np.empty(limits.shape, np.int64)
    padded = -(-width // 8) * 8
    step = max(1, COMPARISONS // max(2 * most * padded, 1))
    marks = np.zeros((min(step, height), 2 * most, padded), bool)
    for start in range(0, height, step):
        block = slice(start, start + step)
        some = marks[: len(similarity[block])]
        np.greater(similarity[block, None, :], limits[block, :, None], out=some[:, :, :width])
        above[block] = _count_marks(some)
    closer = above[rows, place]
    return closer, above[rows, most + place] > closer + 1


def _count_marks(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of marks along the last axis, a multiple of eight long, summed as bytes of eight-byte words."""
    words = marks.view(np.uint64)
    sums = np.add.reduceat(words, np.arange(0, words.shape[-1], WORDS), axis=-1)
    pairs = (sums & EVERY_SECOND_BYTE) + ((sums >> BYTE) & EVERY_SECOND_BYTE)
    return ((pairs * ONES) >> LAST_PAIR).sum(axis=-1, dtype=np.int64)  # the last pair of bytes has the sum of the four


def _by_sorting(
    distance: NDArray, rows: NDArray[np.int64], values: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sorting values alone is several times faster than sorting indices; bisection then finds the few of interest."""
    distance.sort(axis=1)
    flat, remaining = distance.reshape(-1), distance.shape[1]
    starts = rows * remaining
    last = starts + remaining - 1
    position = starts.copy()
    while remaining > 1:
        half = remaining // 2
        position += half * (np.take(flat[half - 1 :], position) < values)
        remaining -= half
    following = np.take(flat, np.minimum(position + 1, last))
    return position - starts, (following == values) & (position < last)
