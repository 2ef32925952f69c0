"""Feature vectors as rows of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray


def unit_vectors(vectors: NDArray, dtype: DTypeLike | None = None) -> NDArray:
    """Rows of length 1 in the direction of `vectors` (N, dim), as `dtype` or their own; a row of zeros stays one."""
    vectors = np.asarray(vectors, dtype)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1).astype(vectors.dtype)
