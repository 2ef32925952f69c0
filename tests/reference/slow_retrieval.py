"""Retrieval metrics written as their definitions say: one query at a time, one gallery image at a time."""

from typing import NamedTuple


class SlowMetrics(NamedTuple):
    cmc: list[float]
    average_precision: list[float]
    inverse_negative_penalty: list[float]
    first_match_rank: list[int]
    valid: list[bool]


def slow_retrieval_metrics(similarity, query_ids, gallery_ids, ignore, cmc, ranks):
    average_precision, inverse_negative_penalty, first_match_rank, valid = [], [], [], []
    for query, query_id in enumerate(query_ids):
        ranked = [image for image in range(len(gallery_ids)) if ignore is None or not ignore[query][image]]
        ranked.sort(key=lambda image, query=query: (-similarity[query][image], image))
        answers = [gallery_ids[image] for image in ranked]
        valid.append(query_id in answers)
        if query_id not in answers:
            continue
        correct_ranks = [rank for rank, answer in enumerate(answers, start=1) if answer == query_id]
        precisions = [found / rank for found, rank in enumerate(correct_ranks, start=1)]
        average_precision.append(sum(precisions) / len(precisions))
        inverse_negative_penalty.append(len(correct_ranks) / correct_ranks[-1])
        counted = list(dict.fromkeys(answers)) if cmc == "identity" else answers
        first_match_rank.append(counted.index(query_id) + 1)
    curve = [
        sum(first <= rank for first in first_match_rank) / max(len(first_match_rank), 1) for rank in range(1, ranks + 1)
    ]
    return SlowMetrics(curve, average_precision, inverse_negative_penalty, first_match_rank, valid)
