"""The scores to compare: one row for each run, and one row for each identity of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

METRICS = ("map", "rank_1", "rank_5", "rank_10", "rank_20", "minp")

RANKS = 20
MARKED_RANKS = (1, 5, 10, 20)  # ranks for which the CMC has an interval


@dataclass(frozen=True)
class Scores:
    """All scores to compare.

    Attributes:
        runs: a row for each score file: RUN columns, METRICS (fractions), trials, valid_queries, cmc ((RANKS,)
            fractions).
        identities: a row for each identity of a run: RUN columns, person_id, queries, and the sums over its queries
            (and trials) of average_precision and rank_<k> for each of MARKED_RANKS.
    """

    runs: pd.DataFrame
    identities: pd.DataFrame


def per_identity(queries: pd.DataFrame) -> pd.DataFrame:
    """Sums over the queries and trials of each identity: person_id, queries, average_precision, rank_<k>."""
    ranks = queries["first_match_rank"].to_numpy()
    found = pd.DataFrame({f"rank_{k}": (ranks <= k).astype(float) for k in MARKED_RANKS}, index=queries.index)
    grouped = pd.concat([queries[["person_id", "average_precision"]], found], axis=1).groupby("person_id", sort=True)
    out = grouped.sum()
    out.insert(0, "queries", grouped.size())
    return out.reset_index()


def cumulative_matches(first_match_ranks: np.ndarray, ranks: int) -> np.ndarray:
    """Cumulative match characteristic: (ranks,) share of queries whose first match has rank k or better."""
    return (first_match_ranks[:, None] <= np.arange(1, ranks + 1)).mean(axis=0)
