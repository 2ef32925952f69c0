"""Scores of features under a protocol: the summary and the table of queries that `csdn score-retrieval` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.evaluation.matlab_files import read_matlab
from csdn.evaluation.protocols import TRIALS, Protocol, find_protocol
from csdn.evaluation.ranking import RetrievalMetrics, blocks, summarize
from csdn.evaluation.ranks import QueryMetrics, rank_queries
from csdn.evaluation.reranking import Reranking, reranked_blocks

if TYPE_CHECKING:
    import pandas as pd

RANKS = (1, 5, 10, 20)
GALLERIES = ("agw", "official")


@dataclass(frozen=True, slots=True)
class Trials:
    """The queries of a protocol, and the gallery of each trial.

    Attributes:
        protocol: the protocol.
        query: query images, the same in all trials.
        galleries: gallery images, a list for each trial.
        gallery: how the galleries were drawn: "agw", "official", "all" (every image) or "given".
    """

    protocol: Protocol
    query: Sequence[ImageRecord]
    galleries: Sequence[Sequence[ImageRecord]]
    gallery: str


def score(
    records: Sequence[ImageRecord],
    features: NDArray,
    protocol: str,
    *,
    gallery: str = "agw",
    trials: int = TRIALS,
    permutations: NDArray | None = None,
    reranking: Reranking | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Score features under a protocol, averaged over its trials.

    Args:
        records: images, including all that the protocol needs; only those of subset "test" are used.
        features: (len(records), D) features in the order of `records`; similarity is their inner product.
        protocol: a name of `csdn.config.base.PROTOCOLS`.
        gallery: "agw" or "official" (SYSU-MM01 only).
        trials: number of galleries to draw, 1..10; RegDB always has one trial, because its gallery is every image.
        permutations: array `rand_perm_cam` of `exp/rand_perm_cam.mat`; needed for the official gallery.
        reranking: settings of k-reciprocal re-ranking to use instead of plain ranking.

    Returns:
        The summary that `scores/<protocol>.json` holds, without the keys that name the run: protocol, gallery ("all"
        for RegDB), trials, metrics (rank_1, rank_5, rank_10, rank_20, map, minp in [0, 1], means over trials), std (of
        the same, over trials with one degree of freedom less; None for one trial), queries, valid_queries (those valid
        in every trial) and reranked. And a table with a row for each trial and valid query: trial, query_path,
        person_id, camera_id, average_precision, inverse_negative_penalty, first_match_rank.

    Raises:
        UserError: protocol, gallery or number of trials is unknown; features do not fit; no query, gallery or match.
    """
    features = check_features(features, len(records), "features")
    row_of = {record.path: row for row, record in enumerate(records)}
    drawn = draw_trials(records, protocol, gallery=gallery, trials=trials, permutations=permutations)
    results = rank_trials(drawn, (features, row_of), (features, row_of), reranking)
    return summarize_trials(drawn, results, reranked=reranking is not None), query_table(drawn, results)


def draw_trials(
    records: Sequence[ImageRecord], protocol: str, *, gallery: str, trials: int, permutations: NDArray | None
) -> Trials:
    """Queries and galleries of a protocol among `records`; see `score`."""
    chosen = find_protocol(protocol)
    if gallery not in GALLERIES:
        raise UserError(f"unknown gallery {gallery!r}; known: {', '.join(GALLERIES)}")
    if gallery == "official" and chosen.layout != "sysu_mm01":
        raise UserError(f"{protocol}: has no official gallery; use gallery: agw")
    if gallery == "official" and permutations is None:
        raise UserError(f"{protocol}: the official gallery needs exp/rand_perm_cam.mat; give it, or use gallery: agw")
    if not 1 <= trials <= TRIALS:
        raise UserError(f"trials is {trials}; expected 1..{TRIALS}")
    query = chosen.query(records)
    if not query:
        raise UserError(f"{protocol}: no {chosen.query_modality} test image to query; check the dataset's lists")
    drawn_by = permutations if gallery == "official" else None
    numbers = range(trials if chosen.draws else 1)
    galleries = [chosen.gallery(records, trial, permutations=drawn_by) for trial in numbers]
    if not galleries[0]:
        raise UserError(f"{protocol}: no {chosen.gallery_modality} test image for a gallery; check the dataset's lists")
    return Trials(chosen, query, galleries, gallery if chosen.draws else "all")


def rank_trials(
    trials: Trials,
    query_source: tuple[NDArray, Mapping[str, int]],
    gallery_source: tuple[NDArray, Mapping[str, int]],
    reranking: Reranking | None,
) -> list[RetrievalMetrics]:
    """Metrics of each trial.

    Args:
        trials: queries and galleries.
        query_source: (N, D) features, and the row of each query's path in them.
        gallery_source: (M, D) features, and the row of each gallery image's path in them.
        reranking: how to re-rank, or None.

    Raises:
        UserError: no query has a correct gallery image in some trial.
    """
    query_rows = np.array([query_source[1][record.path] for record in trials.query])
    gallery_rows = [np.array([gallery_source[1][record.path] for record in gallery]) for gallery in trials.galleries]
    ranker = _TrialRanker(trials)
    if reranking is None:
        # Trials have images in common, so computing each similarity once is cheaper than once per trial.
        candidates, places = np.unique(np.concatenate(gallery_rows), return_inverse=True)
        columns = np.split(places, np.cumsum([len(rows) for rows in gallery_rows])[:-1])
        gallery_features = gallery_source[0][candidates]
        for rows in blocks(len(query_rows), len(candidates), len(query_rows)):
            with np.errstate(over="ignore", invalid="ignore"):  # `rank` reports overflows
                similarity = query_source[0][query_rows[rows]] @ gallery_features.T
            for trial, chosen in enumerate(columns):
                ranker.rank(trial, rows, np.take(similarity, chosen, axis=1))
    else:
        for trial, chosen in enumerate(gallery_rows):
            for rows, similarity in reranked_blocks(query_source[0][query_rows], gallery_source[0][chosen], reranking):
                ranker.rank(trial, rows, similarity)
    results = [summarize(parts, max(RANKS)) for parts in ranker.parts]
    for trial, metrics in enumerate(results):
        if not metrics.valid.any():
            raise UserError(
                f"{trials.protocol.name}: no query has a correct gallery image in trial {trial}; "
                "check the identities and cameras of queries and gallery"
            )
    return results


class _TrialRanker:
    """Ranks the galleries of all trials for blocks of queries and collects the results."""

    def __init__(self, trials: Trials) -> None:
        self._protocol = trials.protocol
        self._query_ids = np.array([record.person_id for record in trials.query])
        self._query_cameras = np.array([record.camera_id for record in trials.query])
        self._gallery_ids = [np.array([record.person_id for record in gallery]) for gallery in trials.galleries]
        self._cameras = [np.array([r.camera_id for r in gallery]) for gallery in trials.galleries]
        self.parts: list[list[QueryMetrics]] = [[] for _ in trials.galleries]

    def rank(self, trial: int, rows: slice, similarity: NDArray) -> None:
        ids, rule, ignore = self._query_ids[rows], self._protocol.ignore, None
        if rule is not None:
            ignore = rule(ids, self._query_cameras[rows], self._gallery_ids[trial], self._cameras[trial])
        try:
            self.parts[trial] += rank_queries(similarity, ids, self._gallery_ids[trial], ignore, self._protocol.cmc)
        except ValueError as error:
            raise UserError(f"features: too large, their products overflow ({error}); normalise them") from error


def summarize_trials(trials: Trials, results: Sequence[RetrievalMetrics], *, reranked: bool) -> dict[str, Any]:
    """Summary of the trials' metrics; see `score`."""
    values = {f"rank_{rank}": np.array([m.cmc[rank - 1] for m in results]) for rank in RANKS}
    values["map"] = np.array([m.mean_average_precision for m in results])
    values["minp"] = np.array([m.mean_inverse_negative_penalty for m in results])
    std = {name: float(value.std(ddof=1)) for name, value in values.items()} if len(results) > 1 else None
    return {
        "protocol": trials.protocol.name,
        "gallery": trials.gallery,
        "trials": len(results),
        "metrics": {name: float(value.mean()) for name, value in values.items()},
        "std": std,
        "queries": len(trials.query),
        "valid_queries": int(np.logical_and.reduce([m.valid for m in results]).sum()),
        "reranked": reranked,
    }


def query_table(trials: Trials, results: Sequence[RetrievalMetrics]) -> pd.DataFrame:
    """One row for each trial and valid query; see `score`."""
    import pandas as pd

    rows = [np.flatnonzero(metrics.valid).tolist() for metrics in results]
    asked = [trials.query[row] for part in rows for row in part]
    return pd.DataFrame(
        {
            "trial": np.repeat(np.arange(len(results)), [len(part) for part in rows]),
            "query_path": [record.path for record in asked],
            "person_id": np.array([record.person_id for record in asked], dtype=np.int64),
            "camera_id": np.array([record.camera_id for record in asked], dtype=np.int64),
            "average_precision": np.concatenate([m.average_precision for m in results]),
            "inverse_negative_penalty": np.concatenate([m.inverse_negative_penalty for m in results]),
            "first_match_rank": np.concatenate([m.first_match_rank for m in results]),
        }
    )


def check_features(features: NDArray, rows: int, name: str) -> NDArray:
    """`features` as an array of float32 or float64 and shape (rows, D).

    Raises:
        UserError: another shape or type, or a feature is not finite (its row is named).
    """
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[0] != rows or not features.shape[1]:
        raise UserError(f"{name}: shape is {features.shape}; expected ({rows}, D), one row for each image")
    if features.dtype.kind not in "fiu":
        raise UserError(f"{name}: type is {features.dtype}; expected real numbers")
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float32)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        first, wrong = int(np.argmin(finite)), int((~finite).sum())
        raise UserError(f"{name}: row {first} (counted from 0; {wrong} such rows) is not finite; fix the features")
    return features


def load_permutations(path: Path | str) -> NDArray:
    """Array `rand_perm_cam` of SYSU-MM01's `exp/rand_perm_cam.mat`.

    Raises:
        UserError: the file is missing, is not a MATLAB file, or lacks the array.
    """
    content = read_matlab(path)
    if "rand_perm_cam" not in content:
        raise UserError(f"{path}: has no array rand_perm_cam; copy the file from SYSU-MM01's exp folder")
    permutations: NDArray = content["rand_perm_cam"]
    return permutations
