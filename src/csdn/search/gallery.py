"""Galleries to search: the features of many images, from a file of embeddings or from a folder of images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csdn.artifacts.digests import digest
from csdn.artifacts.files import read_tensors, readable
from csdn.console.progress import progress
from csdn.errors import UserError
from csdn.steps.input_checks import recorded_input

if TYPE_CHECKING:
    from csdn.search.trained import TrainedEncoder

SUFFIXES = (".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
READ_AT_ONCE = 256  # images of a folder embedded together


@dataclass(frozen=True, slots=True)
class Gallery:
    """Images to search in.

    Attributes:
        features: (N, D); memory-mapped where they come from a file.
        paths: (N,) path of each image, relative to `root`.
        root: folder of the images; None if they are not available.
        known: columns of the index (`person_id`, `camera_id`, `modality`) by name; may be empty.
    """

    features: np.ndarray
    paths: Sequence[str]
    root: Path | None
    known: dict[str, Sequence[Any]]


def map_features(path: Path) -> np.ndarray:
    """The tensor `features` (N, D) of a safetensors file, memory-mapped.

    Raises:
        UserError: the file has no such tensor, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    with readable(path, SafetensorError, ValueError), safe_open(path, framework="numpy") as held:
        if "features" not in held.keys():  # noqa: SIM118 - not a mapping
            raise UserError(f"{path}: has no tensor `features`; give embeddings of embed-images")
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))["features"]
    kinds = {"F16": np.float16, "F32": np.float32, "F64": np.float64}
    if entry["dtype"] not in kinds or len(entry["shape"]) != 2 or not all(entry["shape"]):
        raise UserError(f"{path}: `features` is {entry['dtype']} {entry['shape']}; expected numbers (images, width)")
    start = 8 + length + entry["data_offsets"][0]
    return np.memmap(path, kinds[entry["dtype"]], "r", start, tuple(entry["shape"]))


def from_embeddings(embeddings: Path, index: Path | None, root: Path | None, only: str | None) -> Gallery:
    """The images of an embeddings file.

    Args:
        embeddings: written by embed-images.
        index: the image index that they were made with, which names the images.
        root: folder of the dataset, for the page's pictures.
        only: modality to search; None for both.

    Raises:
        UserError: a file is missing or damaged, they do not belong together, or nothing is left.
    """
    from csdn.data.image_cache import read_index

    features = map_features(embeddings)
    if index is None:
        if only:
            raise UserError("--modality: an embeddings file does not give the modality of its images; add its --index")
        return Gallery(features, [f"image {row}" for row in range(len(features))], None, {})
    frame = read_index(index)
    rows = read_tensors(embeddings).get("rows", np.arange(len(features)))
    made_from = recorded_input(embeddings, "index")  # the index of another draw has as many rows
    others = made_from is not None and made_from != digest(index)
    if others or len(rows) != len(features) or rows.max(initial=0) >= len(frame):
        raise UserError(f"{embeddings}: was made from another index than {index}; give that one")
    chosen = frame.iloc[rows]
    if only:
        kept = np.flatnonzero(chosen["modality"].to_numpy() == only)
        if not len(kept):
            raise UserError(f"{embeddings}: has no {only} image; choose the other modality")
        features, chosen = features[kept], chosen.iloc[kept]
    known: dict[str, Sequence[Any]] = {name: chosen[name].tolist() for name in ("person_id", "camera_id", "modality")}
    return Gallery(features, list(chosen["path"]), root, known)


def from_folder(folder: Path, encoder: TrainedEncoder, modality: str) -> Gallery:
    """All images below a folder, embedded.

    Raises:
        UserError: there is no image, or one cannot be read.
    """
    paths = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not paths:
        raise UserError(f"{folder}: has no image ({', '.join(SUFFIXES)})")
    parts = []
    with progress("search", len(paths), "images") as advance:
        for start in range(0, len(paths), READ_AT_ONCE):
            own = paths[start : start + READ_AT_ONCE]
            parts.append(encoder.embed([folder / path for path in own], modality))
            advance(len(own))
    return Gallery(np.concatenate(parts), paths, folder, {})


def fingerprint(gallery: Gallery, embeddings: Path | None) -> str:
    """Identifies a gallery's features, so that a stored index is never used for another gallery."""
    if embeddings is not None:
        named = hashlib.sha256("\n".join(gallery.paths).encode()).hexdigest()
        return f"{digest(embeddings)}-{named}"
    return hashlib.sha256(np.ascontiguousarray(gallery.features).data).hexdigest()
