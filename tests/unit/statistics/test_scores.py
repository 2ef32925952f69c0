"""Scores of an identity, and the curve of first matches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from csdn.statistics.scores import cumulative_matches, per_identity


def test_per_identity_is_the_obvious_loop():
    rng = np.random.default_rng(0)
    queries = pd.DataFrame(
        {
            "person_id": rng.integers(1, 5, size=40),
            "average_precision": rng.uniform(size=40),
            "first_match_rank": rng.integers(1, 9, size=40),
        }
    )
    for row in per_identity(queries).itertuples():
        own = queries[queries["person_id"] == row.person_id]
        assert row.queries == len(own)
        assert row.average_precision == pytest.approx(sum(own["average_precision"]))
        assert row.rank_1 == sum(rank == 1 for rank in own["first_match_rank"])
        assert row.rank_5 == sum(rank <= 5 for rank in own["first_match_rank"])


def test_cumulative_matches_counts_ranks_up_to_k():
    assert cumulative_matches(np.array([1, 3, 3, 9]), 4).tolist() == [0.25, 0.25, 0.75, 0.75]
