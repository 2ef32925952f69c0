"""Small data that tests of several figures draw."""

from __future__ import annotations

import numpy as np
import pandas as pd

from csdn.figures.retrieval import Retrieval


def history(epochs: int = 4, **columns: float) -> pd.DataFrame:
    """A history.csv in which every column keeps its value."""
    return pd.DataFrame({"epoch": range(epochs)} | {name: [value] * epochs for name, value in columns.items()})


def toy() -> Retrieval:
    """Two queries, four gallery images: a pair that is ignored, and a tie."""
    similarity = np.array([[0.1, 0.9, 0.5, 0.5], [0.9, 0.1, 0.2, 0.3]], dtype=np.float32)
    ignored = np.array([[False, True, False, False], [False, False, False, False]])
    return Retrieval(np.array([0, 1]), np.array([2, 3, 4, 5]), similarity, ignored)
