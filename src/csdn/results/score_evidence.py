"""Reads what is known about score files, for `csdn.evaluation.diagnosis`: of a run of ours, or of another method."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import ValidationError

from csdn.artifacts.files import read_json, read_parquet, read_tensors, selected_on_test
from csdn.artifacts.records import RECORD, record_of
from csdn.config.base import EMBEDDED, Layout, Strict
from csdn.config.layouts import CAMERAS, FILE_NAMES, MODALITIES, Modality
from csdn.config.loading import read_layer
from csdn.config.messages import problems
from csdn.config.params import Params
from csdn.data.image_cache import read_index, subset_rows, to_records
from csdn.errors import UserError, printable
from csdn.evaluation.evidence import Evidence
from csdn.evaluation.protocols import find_protocol
from csdn.results.report_inputs import read_csv
from csdn.steps.selection import Selection
from csdn.study.paths import Paths, index_path, paths_of

_KEYS = ("protocol", "split", "queries", "reranked")


class ForeignSettings(Strict):
    """What the user of another method knows of it (docs/diagnosis.md); the fields of `Evidence` that scores lack."""

    official: bool = True
    gallery_images: int | None = None
    query: Modality | None = None
    trained_split: str | None = None
    identities: int | None = None
    infrared_images: int | None = None
    reranking: bool | None = None
    selection: Literal["last", "best_on_validation", "best_on_test"] | None = None
    ignores_same_place: bool | None = None
    llcm_convention: Literal["ours", "authors_script"] | None = None
    released_code: bool | None = None
    normalization: Literal["clip", "imagenet"] | None = None
    clip_model: str | None = None
    clip_weights: str | None = None
    image_size: tuple[int, int] | None = None
    mirrored: bool | None = None
    triplet: float | None = None
    triplet_floor: float | None = None
    metric_features: Literal["raw", "unit"] = "raw"
    distances: tuple[float, ...] | None = None


def foreign_evidence(scores: Path, settings: Path) -> Evidence:
    """What a score file (docs/protocols.md) and a YAML file of ForeignSettings say.

    Raises:
        UserError: a file is missing or malformed; names the key.
    """
    try:
        told = ForeignSettings.model_validate(read_layer(settings)).model_dump()
    except ValidationError as error:
        raise UserError(
            "\n".join(f"{settings}: {line}" for line in problems(error.errors(), ForeignSettings))
        ) from error
    known = _scored(scores)
    told["query"] = told["query"] or _query_modality(scores.with_suffix(".parquet"), known["layout"])
    if known["reranked"]:
        told["reranking"] = True
    return Evidence(**_on_test(told, known) | known)


def run_evidence(params: Params, run: Selection) -> dict[Path, Evidence]:
    """What is known of each score file of a run: from its records, its encoder, its history and the images' index.

    Raises:
        UserError: there is no score file, or a record, the encoder or the index is missing or malformed.
    """
    paths, chosen = paths_of(params), {key: value for key, value in vars(run).items() if key != "protocol"}
    dataset, split = str(run.dataset), str(run.split)
    encoder = Path(paths.encoder.format(**chosen))
    folder = Path(paths.scores.format(**chosen, protocol="x")).parent
    files = [file for file in sorted(folder.glob("*.json")) if not file.name.endswith(RECORD)]
    if not files:
        raise UserError(f"{folder}: there is no score file; run score-retrieval first (`snakemake evaluation`)")
    index = read_index(Path(index_path(params, dataset, split)))
    trained = _trained(encoder, paths, chosen, index)
    records = to_records(index.iloc[subset_rows(index, split, ["test"])], split)
    found = {}
    for file in files:
        known, made = _scored(file), record_of(file).get("parameters", {})
        protocol, official = find_protocol(known["protocol"]), params.datasets[dataset].root != EMBEDDED
        own = trained | known | {"official": official, "reranking": made.get("reranking") is not None}
        if made.get("gallery", "agw") == "agw":
            own["gallery_images"] = len(protocol.gallery(records, 0))
        own |= {"query": protocol.query_modality, "ignores_same_place": True, "llcm_convention": "ours"}
        found[file] = Evidence(**_on_test(own, known))
    return found


def _trained(encoder: Path, paths: Paths, chosen: dict[str, Any], index: pd.DataFrame) -> dict[str, Any]:
    """What an encoder's record, file and history say of its training, and the embeddings' record of the images."""
    made = record_of(encoder).get("parameters", {})
    try:
        fidelity, clip, settings = made["fidelity"], made["clip"], made["encoder"]
        training = index.iloc[subset_rows(index, made["split"], made["train_subsets"])]
        embedded = record_of(paths.embeddings.format(**chosen))["parameters"]["evaluation"]
        known = {
            "trained_split": str(made["split"]),
            "selection": "best_on_test" if selected_on_test(encoder) else settings["selection"],
            "released_code": fidelity["stem"] == "reference",
            "normalization": fidelity["normalization"],
            "triplet_floor": fidelity["triplet_denominator_floor"],
            "metric_features": settings["metric_features"],
            "clip_model": clip["model"],
            "clip_weights": clip["weights"],
            "image_size": tuple(made["image_size"]),
            "mirrored": embedded["flip"],
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"{encoder}{RECORD}: has no {error}; train and embed with this version of csdn") from error
    infrared = int((training["modality"] == "infrared").sum())
    return (
        known
        | {"identities": len(read_tensors(encoder)["person_ids"]), "infrared_images": infrared}
        | _scale(Path(paths.history.format(**chosen)))
    )


def _scale(history: Path) -> dict[str, Any]:
    """WRT and the raw distances of the last epoch; nothing of a training that did not log them."""
    rows = read_csv(history, ("epoch",))
    names = ("distance_pooled", "distance_projected")
    if rows.empty or not {"triplet", *names} <= set(rows.columns):
        return {}
    last = rows.iloc[-1]
    return {"triplet": float(last["triplet"]), "distances": tuple(float(last[name]) for name in names)}


def _scored(path: Path) -> dict[str, Any]:
    """What a score file says of itself."""
    score = read_json(path)
    missing = [key for key in _KEYS if not isinstance(score, dict) or key not in score]
    if missing:
        raise UserError(f"{path}: no key {missing[0]!r}; give a score file (docs/protocols.md)")
    if not isinstance(score["queries"], int):
        raise UserError(f"{path}: queries is {printable(str(score['queries']))}, not a number; score again")
    protocol = find_protocol(str(score["protocol"]).split("-")[0])
    return {
        "layout": protocol.layout,
        "protocol": protocol.name,
        "split": str(score["split"]),
        "queries": score["queries"],
        "reranked": bool(score["reranked"]),
        "selected_on_test": bool(score.get("selected_on_test")),
    }


def _on_test(told: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A score file's label says how the epoch was chosen even where nothing else does."""
    return told | ({"selection": "best_on_test"} if known["selected_on_test"] else {})


def _query_modality(queries: Path, layout: Layout) -> Modality | None:
    """Modality of the queries by their cameras or paths, if their table lies beside the scores and says so clearly."""
    if not queries.is_file():
        return None
    frame = read_parquet(queries)
    if ("camera_id" if layout == "sysu_mm01" else "query_path") not in frame:
        return None
    if layout == "sysu_mm01":
        kinds = {kind for kind in MODALITIES for camera in set(frame["camera_id"]) if camera in CAMERAS[layout][kind]}
    else:
        places = {str(path).lower().split("/")[0] for path in frame["query_path"]}
        kinds = {kind for kind in MODALITIES for place in places if place.endswith(FILE_NAMES[layout][kind])}
    return kinds.pop() if len(kinds) == 1 else None
