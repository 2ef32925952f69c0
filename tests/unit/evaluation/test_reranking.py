"""k-reciprocal re-ranking against a twin of sets and loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_reranking import slow_reranked_similarity

from csdn.evaluation import reranking
from csdn.evaluation.reranking import Reranking, reranked_blocks


def reranked(query, gallery, how):
    return np.concatenate([block for _, block in reranked_blocks(query, gallery, how)])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 8),
    gallery=st.integers(1, 22),
    k1=st.integers(1, 25),
    k2=st.integers(1, 8),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
    ties=st.booleans(),
    block=st.sampled_from([1, 60, 1 << 24]),
)
def test_equals_the_obvious_twin(seed, queries, gallery, k1, k2, weight, ties, block):
    generator = np.random.default_rng(seed)
    asking, answering = generator.standard_normal((queries, 3)), generator.standard_normal((gallery, 3))
    if ties:  # whole numbers, so that distances are exact and many are equal
        asking, answering = asking.round(), answering.round()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reranking, "BLOCK_ELEMENTS", block)
        found = reranked(asking, answering, Reranking(k1, k2, weight))
    expected = slow_reranked_similarity(asking, answering, k1, k2, weight)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_brings_images_with_common_neighbours_forward():
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((12, 16))
    ids = np.repeat(np.arange(12), 10)
    gallery = centres[ids] + 0.9 * generator.standard_normal((120, 16))
    query = centres + 0.9 * generator.standard_normal((12, 16))
    plain = -((query[:, None] - gallery[None]) ** 2).sum(axis=2)
    better = reranked(query, gallery, Reranking(k1=8, k2=3))

    def precision(similarity):
        best = np.argsort(-similarity, axis=1)[:, :10]
        return np.mean(ids[best] == np.arange(12)[:, None])

    assert precision(better) > precision(plain)


def test_blocks_cover_the_queries_in_order(monkeypatch):
    monkeypatch.setattr(reranking, "BLOCK_ELEMENTS", 100)
    generator = np.random.default_rng(0)
    rows = [rows for rows, _ in reranked_blocks(generator.standard_normal((9, 4)), generator.standard_normal((7, 4)))]
    assert len(rows) > 1
    assert [row for part in rows for row in range(part.start, part.stop)] == list(range(9))


@pytest.mark.parametrize("wrong", [{"k1": 0}, {"k2": 0}, {"original_weight": 1.5}])
def test_refuses_settings_out_of_range(wrong):
    with pytest.raises(ValueError, match="expected k1 and k2"):
        Reranking(**wrong)
