"""Scores of features under a protocol: the summary and the table of queries that `csdn score-retrieval` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.evaluation.gallery_identities import GalleryIdentities
from csdn.evaluation.protocols import TRIALS, Protocol, find_protocol
from csdn.evaluation.ranking import RetrievalMetrics, blocks, summarize
from csdn.evaluation.ranks import QueryMetrics, rank_queries

if TYPE_CHECKING:
    import pandas as pd

RANKS = (1, 5, 10, 20)
GALLERIES = ("agw", "official")


def score(
    records: Sequence[ImageRecord],
    features: NDArray,
    protocol: str,
    *,
    gallery: str = "agw",
    trials: int = TRIALS,
    permutations: NDArray | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Score features under a protocol, averaged over its trials.

    Args:
        records: images, among them all that the protocol asks for; only those of subset "test" count.
        features: (len(records), D) features, row-aligned to `records`; similarity is their inner product.
        protocol: a name of `csdn.config.PROTOCOLS`.
        gallery: "agw" or "official" (SYSU-MM01 only).
        trials: galleries drawn, 1..10; RegDB, whose gallery is every image, has one trial whatever this says.
        permutations: array `rand_perm_cam` of `exp/rand_perm_cam.mat`, needed by the official gallery.

    Returns:
        The summary that `scores/<protocol>.json` holds, without the keys that name the run: protocol, gallery ("all"
        for RegDB), trials, metrics (rank_1, rank_5, rank_10, rank_20, map, minp in [0, 1], means over trials), std (of the
        same, over trials with one degree of freedom less; None for one trial), queries, valid_queries (those valid in
        every trial) and reranked. And a table with a row for each trial and valid query: trial, query_path, person_id,
        camera_id, average_precision, inverse_negative_penalty, first_match_rank.

    Raises:
        UserError: an unknown protocol, gallery or trial number; features that do not fit; no query, gallery or match.
    """
    chosen = find_protocol(protocol)
    _check_request(chosen, gallery, trials, permutations)
    features = check_features(features, len(records), "features")
    query = chosen.query(records)
    if not query:
        raise UserError(
            f"{protocol}: no {chosen.query_modality} test image to ask with; check the dataset and its lists"
        )
    count = trials if chosen.draws else 1
    perms = permutations if gallery == "official" else None
    galleries = [chosen.gallery(records, trial, permutations=perms) for trial in range(count)]
    if not galleries[0]:
        raise UserError(
            f"{protocol}: no {chosen.gallery_modality} test image to answer with; check the dataset and lists"
        )
    row_of = {record.path: row for row, record in enumerate(records)}
    results = rank_galleries(chosen, features, query, galleries, row_of)
    if not any(metrics.valid.any() for metrics in results):
        raise UserError(f"{protocol}: no query has a correct gallery image; check the identities and cameras")
    label = gallery if chosen.draws else "all"
    return summarize_trials(chosen, results, label, len(query)), query_table(query, results)


def rank_galleries(
    protocol: Protocol,
    features: NDArray,
    query: Sequence[ImageRecord],
    galleries: Sequence[Sequence[ImageRecord]],
    row_of: dict[str, int],
) -> list[RetrievalMetrics]:
    """Metrics of each gallery; every similarity is computed once, for trials share images."""
    candidates = sorted({row_of[record.path] for gallery in galleries for record in gallery})
    position = {row: place for place, row in enumerate(candidates)}
    columns = [np.array([position[row_of[record.path]] for record in gallery]) for gallery in galleries]
    identities = [GalleryIdentities([record.person_id for record in gallery]) for gallery in galleries]
    cameras = [np.array([record.camera_id for record in gallery]) for gallery in galleries]
    query_rows = np.array([row_of[record.path] for record in query])
    query_ids = np.array([record.person_id for record in query])
    query_cameras = np.array([record.camera_id for record in query])
    answering = features[candidates]
    parts: list[list[QueryMetrics]] = [[] for _ in galleries]
    for rows in blocks(len(query), len(candidates), len(query)):
        similarity = features[query_rows[rows]] @ answering.T
        for trial, gallery in enumerate(identities):
            ignore = None
            if protocol.ignore is not None:
                ignore = protocol.ignore(query_ids[rows], query_cameras[rows], gallery.ids, cameras[trial])
            drawn = np.take(similarity, columns[trial], axis=1)
            parts[trial].append(rank_queries(drawn, query_ids[rows], gallery, ignore, protocol.cmc))
    return [summarize(part, max(RANKS)) for part in parts]


def summarize_trials(
    protocol: Protocol, results: Sequence[RetrievalMetrics], gallery: str, queries: int, *, reranked: bool = False
) -> dict[str, Any]:
    """Summary of the trials' metrics; see `score`."""
    values = {f"rank_{rank}": np.array([m.cmc[rank - 1] for m in results]) for rank in RANKS}
    values["map"] = np.array([m.mean_average_precision for m in results])
    values["minp"] = np.array([m.mean_inverse_negative_penalty for m in results])
    return {
        "protocol": protocol.name,
        "gallery": gallery,
        "trials": len(results),
        "metrics": {name: float(value.mean()) for name, value in values.items()},
        "std": {name: float(value.std(ddof=1)) for name, value in values.items()} if len(results) > 1 else None,
        "queries": queries,
        "valid_queries": int(np.logical_and.reduce([m.valid for m in results]).sum()),
        "reranked": reranked,
    }


def query_table(query: Sequence[ImageRecord], results: Sequence[RetrievalMetrics]) -> pd.DataFrame:
    """One row for each trial and valid query; see `score`."""
    import pandas as pd

    rows = [np.flatnonzero(metrics.valid).tolist() for metrics in results]
    asked = [query[row] for part in rows for row in part]
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
    """`features` as a floating array of shape (rows, D).

    Raises:
        UserError: another shape, or a feature is not finite (its row is named).
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.shape[1] or features.shape[0] != rows:
        raise UserError(f"{name}: shape is {features.shape}; expected ({rows}, D), one row for each image")
    if features.dtype.kind not in "fiu":
        raise UserError(f"{name}: dtype is {features.dtype}; expected real numbers")
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float32)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise UserError(
            f"{name}: row {row} (counted from 0) is not finite, as {int((~finite).sum())} in all; mend the features"
        )
    return features


def load_permutations(path: Any) -> NDArray:
    """Array `rand_perm_cam` of SYSU-MM01's `exp/rand_perm_cam.mat`.

    Raises:
        UserError: the file is missing, is no MATLAB file, or lacks the array.
    """
    from scipy.io import loadmat

    try:
        content = loadmat(path)
    except FileNotFoundError as error:
        raise UserError(
            f"{path}: no such file; copy exp/rand_perm_cam.mat of SYSU-MM01, or use gallery: agw"
        ) from error
    except (ValueError, OSError, NotImplementedError) as error:
        raise UserError(f"{path}: is no MATLAB file that can be read; copy exp/rand_perm_cam.mat again") from error
    if "rand_perm_cam" not in content:
        raise UserError(f"{path}: holds no array rand_perm_cam; copy exp/rand_perm_cam.mat of SYSU-MM01 again")
    return content["rand_perm_cam"]


def _check_request(protocol: Protocol, gallery: str, trials: int, permutations: NDArray | None) -> None:
    if gallery not in GALLERIES:
        raise UserError(f"unknown gallery {gallery!r}; known: {', '.join(GALLERIES)}")
    if gallery == "official" and protocol.layout != "sysu_mm01":
        raise UserError(f"{protocol.name}: has no official gallery; use gallery: agw")
    if gallery == "official" and permutations is None:
        raise UserError(
            f"{protocol.name}: the official gallery needs exp/rand_perm_cam.mat; give it, or use gallery: agw"
        )
    if not 1 <= trials <= TRIALS:
        raise UserError(f"trials is {trials}; expected 1..{TRIALS}")
