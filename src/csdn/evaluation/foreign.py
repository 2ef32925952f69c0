"""Score any method's features under the same protocols, so that its results can be compared with ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from csdn.config.layouts import CAMERAS
from csdn.data.records import ImageRecord
from csdn.data.vectors import unit_vectors
from csdn.errors import UserError
from csdn.evaluation.feature_files import FeatureSet, ForeignFeatures, load_features
from csdn.evaluation.protocols import TRIALS, Protocol, find_protocol
from csdn.evaluation.reranking import Reranking
from csdn.evaluation.scoring import Trials, draw_trials, query_table, rank_trials, summarize_trials

if TYPE_CHECKING:
    import pandas as pd

Similarity = Literal["inner", "cosine", "euclidean"]


def score_foreign(
    file: Path | str | ForeignFeatures,
    protocol: str,
    *,
    records: Sequence[ImageRecord] | None = None,
    similarity: Similarity = "inner",
    gallery: str = "agw",
    trials: int = TRIALS,
    permutations: NDArray | None = None,
    reranking: Reranking | None = None,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Score the features in a file under a protocol.

    Features with paths need the dataset's `records`: queries and galleries are those of the protocol, and other images
    in the file are ignored. Features with identities and cameras are used as the queries and as the images to draw
    galleries from, in the order of the file; if no identity has more images in a camera than the protocol takes, all of
    them are the gallery of a single trial ("given").

    Args:
        file: features, or the file that contains them (see `load_features`).
        protocol: a name of `csdn.config.base.PROTOCOLS`.
        records: images of the dataset, as `csdn.data.readers.read_records` returns them.
        similarity: "inner" product, "cosine", or the negative "euclidean" distance.
        gallery: "agw" or "official" (SYSU-MM01 with paths only).
        trials: number of galleries to draw, 1..10.
        permutations: array `rand_perm_cam` of `exp/rand_perm_cam.mat`; needed for the official gallery.
        reranking: settings of k-reciprocal re-ranking (by Euclidean distances) to use instead of plain ranking.

    Returns:
        Summary and table of queries as returned by `csdn.evaluation.scoring.score`. Without paths, `query_path` is
        "query/" followed by the row of the query in the file, counted from 0.

    Raises:
        UserError: as `load_features` and `score`; an image that the protocol needs is missing; a camera is unknown.
    """
    chosen = find_protocol(protocol)
    features = file if isinstance(file, ForeignFeatures) else load_features(file)
    if features.query.paths is not None and features.gallery.paths is not None:
        if records is None:
            raise UserError(f"{features.query.where}paths: refer to images of a dataset; give its folder too")
        drawn = draw_trials(records, protocol, gallery=gallery, trials=trials, permutations=permutations)
        query_rows = _rows_of_paths(features.query, records, drawn.query)
        needed = [record for images in drawn.galleries for record in images]
        gallery_rows = _rows_of_paths(features.gallery, records, needed)
    else:
        if gallery != "agw":
            raise UserError(f"{features.gallery.where}paths: missing; the official gallery is defined by paths")
        query = _records_of_labels(features.query, chosen, "query")
        images = _records_of_labels(features.gallery, chosen, "gallery")
        drawn = _trials_of_labels(chosen, query, images, trials)
        query_rows = {record.path: row for row, record in enumerate(query)}
        gallery_rows = {record.path: row for row, record in enumerate(images)}
    # Re-ranking computes Euclidean distances itself.
    form = "inner" if reranking and similarity == "euclidean" else similarity
    query_features, gallery_features = _prepare(features.query.features, features.gallery.features, form)
    results = rank_trials(drawn, (query_features, query_rows), (gallery_features, gallery_rows), reranking)
    return summarize_trials(drawn, results, reranked=reranking is not None), query_table(drawn, results)


def _rows_of_paths(
    features: FeatureSet, records: Sequence[ImageRecord], needed: Sequence[ImageRecord]
) -> dict[str, int]:
    """Row of each image's path; the file's paths may be absolute or start with other folders."""
    known = {record.path for record in records}
    depths = sorted({path.count("/") + 1 for path in known}, reverse=True)
    row_of: dict[str, int] = {}
    for row, path in enumerate(features.paths or []):
        parts = path.split("/")
        name = next((tail for depth in depths if (tail := "/".join(parts[-depth:])) in known), None)
        if name is not None and row_of.setdefault(name, row) != row:
            raise UserError(f"{features.where}paths: rows {row_of[name]} and {row} are both {name}; keep one of them")
    missing = sorted({record.path for record in needed if record.path not in row_of})
    if missing:
        raise UserError(
            f"{features.where}paths: lacks {len(missing)} images of the protocol, first {missing[0]}; add it"
        )
    return row_of


def _records_of_labels(features: FeatureSet, protocol: Protocol, role: str) -> list[ImageRecord]:
    """A record for each row of a file, in its order."""
    if features.ids is None:
        raise UserError(f"{features.where}ids: missing; give either paths or ids for both query and gallery")
    cameras = features.cameras
    if cameras is None:
        if protocol.layout != "regdb":
            raise UserError(f"{features.where}cameras: missing; {protocol.name} depends on cameras")
        cameras = np.ones_like(features.ids)
    modality = protocol.query_modality if role == "query" else protocol.gallery_modality
    allowed = CAMERAS[protocol.layout][modality]
    wrong = np.flatnonzero(~np.isin(cameras, allowed))
    if len(wrong) and protocol.layout != "regdb":  # whose protocols do not depend on cameras
        raise UserError(
            f"{features.where}cameras: row {wrong[0]} (counted from 0) has camera {cameras[wrong[0]]}; "
            f"{protocol.name} has {modality} cameras {', '.join(map(str, allowed))}"
        )
    return [
        ImageRecord(f"{role}/{row:09d}", int(person_id), int(camera_id), modality, "test")
        for row, (person_id, camera_id) in enumerate(zip(features.ids, cameras, strict=True))
    ]


def _trials_of_labels(protocol: Protocol, query: list[ImageRecord], images: list[ImageRecord], trials: int) -> Trials:
    drawn = draw_trials([*query, *images], protocol.name, gallery="agw", trials=trials, permutations=None)
    drawn = replace(drawn, query=query)
    if not protocol.draws:
        return drawn
    drawable = {(record.person_id, record.camera_id) for record in drawn.galleries[0]}
    given = [record for record in images if (record.person_id, record.camera_id) in drawable]
    most = max(Counter((record.person_id, record.camera_id) for record in given).values())
    return drawn if most > protocol.shots else replace(drawn, galleries=[given], gallery="given")


def _prepare(query: NDArray, gallery: NDArray, similarity: str) -> tuple[NDArray, NDArray]:
    """Features whose inner product ranks the gallery in the same order as `similarity`."""
    if similarity == "inner":
        return query, gallery
    if similarity == "cosine":
        return unit_vectors(query), unit_vectors(gallery)
    if similarity == "euclidean":
        # -|q - g|^2 = 2 q g - |g|^2 - |q|^2, and the last term is the same for the whole gallery.
        squares = np.einsum("nd,nd->n", gallery, gallery)[:, None]
        return np.hstack([2 * query, -np.ones((len(query), 1), query.dtype)]), np.hstack([gallery, squares])
    raise UserError(f"unknown similarity {similarity!r}; known: inner, cosine, euclidean")
