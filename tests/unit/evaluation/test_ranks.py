"""Metrics of single queries, computed by hand."""

import numpy as np
import pytest

from csdn.evaluation import ranks
from csdn.evaluation.ranks import rank_queries

GALLERY = np.array([7, 8, 7, 9, 8])
SIMILARITY = np.array([[0.1, 0.9, 0.5, 0.3, 0.7]])  # answers 8 8 7 9 7


def test_one_query_by_hand():
    (found,) = rank_queries(SIMILARITY, np.array([7]), GALLERY, None, "image")
    assert found.first_match_rank.tolist() == [3]
    assert found.average_precision == pytest.approx([(1 / 3 + 2 / 5) / 2])
    assert found.inverse_negative_penalty == pytest.approx([2 / 5])


def test_the_identity_cmc_counts_persons_and_not_images():
    (found,) = rank_queries(SIMILARITY, np.array([7]), GALLERY, None, "identity")
    assert found.first_match_rank.tolist() == [2]  # 8 and 8 are one wrong answer


def test_what_is_ignored_is_no_answer_right_or_wrong():
    ignore = np.array([[False, True, True, False, False]])
    (found,) = rank_queries(SIMILARITY, np.array([7]), GALLERY, ignore, "image")  # 8 9 7
    assert found.first_match_rank.tolist() == [3]
    assert found.average_precision == pytest.approx([1 / 3])


def test_a_query_without_a_right_answer_is_not_valid_and_shifts_no_other():
    similarity = np.concatenate([SIMILARITY] * 3)
    (found,) = rank_queries(similarity, np.array([8, 5, 9]), GALLERY, None, "image")
    assert found.valid.tolist() == [True, False, True]
    assert found.average_precision == pytest.approx([1, 1 / 4])
    assert found.first_match_rank.tolist() == [1, 4]


def test_ties_are_in_gallery_order_and_blocks_change_nothing(monkeypatch):
    similarity = np.array([[0.5, 0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 1.0, 0.0, 0.0]])
    monkeypatch.setattr(ranks, "SORTED_ELEMENTS", 5)  # a query at a time
    first, second = rank_queries(similarity, np.array([8, 9]), GALLERY, None, "image")
    assert (first.first_match_rank.tolist(), second.first_match_rank.tolist()) == ([2], [4])


def test_a_similarity_that_is_not_finite_names_its_query_unless_it_is_ignored():
    similarity = np.array([[1.0, 0.5], [np.nan, 0.5]])
    with pytest.raises(ValueError, match="similarity of query 1 is not finite"):
        rank_queries(similarity, np.array([7, 8]), GALLERY[:2], None, "image")
    ignore = np.array([[False, False], [True, False]])
    (found,) = rank_queries(similarity, np.array([7, 8]), GALLERY[:2], ignore, "image")
    assert found.first_match_rank.tolist() == [1, 1]
