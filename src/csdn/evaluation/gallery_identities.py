"""The gallery's images grouped by identity: which answer a query, and how many identities some of them show."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MERGED_PIECES = 64  # pieces of an identity merged one by one; a longer rest is merged at once


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

    def correct_images(self, query_ids: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """`(rows, columns)` of all pairs of a query and a gallery image of its identity, by row, then by column."""
        if not len(self._persons):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        person = np.minimum(np.searchsorted(self._persons, query_ids), len(self._persons) - 1)
        counts = np.where(self._persons[person] == query_ids, self._counts[person], 0)
        rows = np.repeat(np.arange(len(query_ids)), counts)
        first = np.repeat(self._starts[person] - (np.cumsum(counts) - counts), counts)
        return rows, self._order[first + np.arange(len(rows))]

    def count_identities(self, images: NDArray[np.bool_]) -> NDArray[np.int64]:
        """(B,) number of distinct identities among the images marked in each row of `images` (B, G)."""
        pieces = np.take(np.packbits(images, axis=1), self._piece_bytes, axis=1, mode="clip")
        pieces &= self._piece_masks
        present = pieces[:, : len(self._persons)]
        for start, width in self._merged:
            part = present[:, :width]
            np.bitwise_or(part, pieces[:, start : start + width], out=part)
        for person, start, stop in self._rests:
            present[:, person] |= np.bitwise_or.reduce(pieces[:, start:stop], axis=1)
        return np.count_nonzero(present, axis=1)

    def _plan_merging(self) -> None:
        """Plan how to find the identities in rows of bits, eight images a byte.

        A piece is a byte that holds images of an identity, with a mask for them. The pieces are ordered so that merging
        those of each identity takes few operations on contiguous columns: first the first piece of every identity, by
        falling number of pieces, then the second piece of those that have one, and so on; then the rest of those with
        very many pieces.
        """
        person = np.repeat(np.arange(len(self._persons)), self._counts)
        byte, bit = np.divmod(self._order, 8)
        new = np.flatnonzero((np.diff(person, prepend=-1) != 0) | (np.diff(byte, prepend=-1) != 0))
        masks = np.bitwise_or.reduceat(0x80 >> bit, new) if len(new) else bit
        starts = np.flatnonzero(np.diff(person[new], prepend=-1))
        counts = np.diff(starts, append=len(new))
        longest_first = np.argsort(-counts, kind="stable")
        starts, counts = starts[longest_first], counts[longest_first]

        self._merged: list[tuple[int, int]] = []
        self._rests: list[tuple[int, int, int]] = []
        order, position = [], 0
        for piece in range(min(MERGED_PIECES, counts.max(initial=0))):
            width = int(np.searchsorted(-counts, -piece))
            order.append(starts[:width] + piece)
            if piece:
                self._merged.append((position, width))
            position += width
        for place in range(int(np.searchsorted(-counts, -MERGED_PIECES))):
            rest = np.arange(starts[place] + MERGED_PIECES, starts[place] + counts[place])
            order.append(rest)
            self._rests.append((place, position, position + len(rest)))
            position += len(rest)
        chosen = np.concatenate(order) if order else np.zeros(0, np.int64)
        self._piece_bytes = byte[new][chosen]
        self._piece_masks = masks[chosen].astype(np.uint8)
