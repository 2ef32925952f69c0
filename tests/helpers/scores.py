"""Scores as they are compared, made from the average precision of each identity in each run."""

from __future__ import annotations

import numpy as np
import pandas as pd

from csdn.statistics.scores import MARKED_RANKS, METRICS, Scores

PEOPLE = np.arange(1, 31)


def scores_of(runs: dict[tuple[str, str, int], np.ndarray], protocol: str = "sysu_all_single") -> Scores:
    """Scores in which an identity has two queries of the AP given for (variant, split, seed)."""
    rows, identities = [], []
    for (variant, split, seed), precision in runs.items():
        key = {"dataset": "d", "protocol": protocol, "variant": variant, "split": split, "seed": seed}
        rows.append(key | dict.fromkeys(METRICS, 0.5) | {"map": precision.mean(), "cmc": np.linspace(0.5, 1, 20)})
        frame = {"person_id": PEOPLE, "queries": 2, "average_precision": 2 * precision}
        frame |= {f"rank_{k}": 2.0 * (precision > 0.5 - k / 100) for k in MARKED_RANKS}
        identities.append(pd.DataFrame(frame | key))
    return Scores(pd.DataFrame(rows), pd.concat(identities, ignore_index=True))


def precision(seed: int, shift: float = 0.0) -> np.ndarray:
    """Average precision of each of PEOPLE."""
    return np.random.default_rng(seed).uniform(0.2, 0.6, size=len(PEOPLE)) + shift
