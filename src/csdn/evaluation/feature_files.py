"""Read feature files of any method (.npz, .mat, .safetensors); docs/protocols.md describes their keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csdn.errors import UserError, first_line, printable
from csdn.evaluation.matlab_files import read_matlab
from csdn.evaluation.scoring import check_features

# Names under which features are commonly saved, in addition to ours.
ALIASES = {
    "features": ("features", "feat", "feats"),
    "ids": ("ids", "label", "labels", "pids"),
    "cameras": ("cameras", "cam", "cams", "camids"),
    "paths": ("paths", "path", "names", "img_paths"),
}
FEATURE_ALIASES = ("f",)  # as in query_f and gallery_f


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """Features of some images and what is known about these images.

    Attributes:
        where: file and prefix of the keys, for messages.
        features: (N, D), finite.
        paths: (N,) paths of the images, or None.
        ids: (N,) identities, or None.
        cameras: (N,) cameras, or None.
    """

    where: str
    features: NDArray
    paths: list[str] | None
    ids: NDArray[np.int64] | None
    cameras: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class ForeignFeatures:
    """Features of queries and gallery; the same set twice if the file does not distinguish them."""

    query: FeatureSet
    gallery: FeatureSet


def load_features(path: Path | str) -> ForeignFeatures:
    """Read and check the features of any method.

    The file contains `query_features` and `gallery_features`, with either `query_paths` and `gallery_paths` or
    `query_ids`, `query_cameras`, `gallery_ids` and `gallery_cameras`; or `features` and `paths` of all images.

    Raises:
        UserError: the file is missing, cannot be read or lacks a key; shapes disagree; a feature is not finite.
    """
    path = Path(path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path}: unknown kind of file; give one of {', '.join(_READERS)}")
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the file that contains the features")
    content = reader(path)
    if _find(content, "features", "") is not None and _find(content, "features", "query_") is None:
        everything = _read_set(content, path, "")
        if everything.paths is None:
            raise UserError(f"{path}: has features without paths; add paths, or split into query_... and gallery_...")
        return ForeignFeatures(everything, everything)
    query, gallery = _read_set(content, path, "query_"), _read_set(content, path, "gallery_")
    widths = query.features.shape[1], gallery.features.shape[1]
    if widths[0] != widths[1]:
        raise UserError(
            f"{path}: query features have {widths[0]} columns, gallery features {widths[1]}; make them equal"
        )
    return ForeignFeatures(query, gallery)


def _read_set(content: Mapping[str, Any], path: Path, prefix: str) -> FeatureSet:
    features = _find(content, "features", prefix)
    if features is None:
        known = printable(", ".join(sorted(content))) or "nothing"
        raise UserError(f"{path}: lacks {prefix}features (it has {known}); see docs/protocols.md for the keys")
    array = np.asarray(features)
    features = check_features(array, len(array) if array.ndim else 0, f"{path}: {prefix}features")
    rows = len(features)
    paths, ids, cameras = (_find(content, what, prefix) for what in ("paths", "ids", "cameras"))
    if paths is None and ids is None:
        raise UserError(f"{path}: lacks {prefix}paths, or {prefix}ids and {prefix}cameras; add either")
    return FeatureSet(
        f"{path}: {prefix}",
        features,
        None if paths is None else _as_paths(paths, rows, f"{path}: {prefix}paths"),
        None if ids is None else _as_numbers(ids, rows, f"{path}: {prefix}ids"),
        None if cameras is None else _as_numbers(cameras, rows, f"{path}: {prefix}cameras"),
    )


def _find(content: Mapping[str, Any], what: str, prefix: str) -> Any:
    names = ALIASES[what] + (FEATURE_ALIASES if what == "features" and prefix else ())
    return next((content[prefix + name] for name in names if prefix + name in content), None)


def _as_paths(values: Any, rows: int, where: str) -> list[str]:
    paths = values.splitlines() if isinstance(values, str) else [_text(value) for value in np.asarray(values).ravel()]
    if len(paths) != rows:
        raise UserError(f"{where}: has {len(paths)} entries for {rows} features; give one path for each")
    paths = [path.strip().replace("\\", "/") for path in paths]
    if not all(paths):
        raise UserError(f"{where}: row {paths.index('')} (counted from 0) is empty; give one path for each feature")
    outside = [row for row, path in enumerate(paths) if ".." in path.split("/")]
    if outside:
        raise UserError(
            f"{where}: row {outside[0]} (counted from 0) leads out of the dataset; give the image's own path"
        )
    return paths


def _text(value: Any) -> str:
    while isinstance(value, np.ndarray) and value.size == 1:  # MATLAB wraps each cell in an array
        value = value.reshape(-1)[0]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _as_numbers(values: Any, rows: int, where: str) -> NDArray[np.int64]:
    array = np.asarray(values).ravel()
    if len(array) != rows:
        raise UserError(f"{where}: has {len(array)} entries for {rows} features; give one for each")
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all() or (array != array.astype(np.int64)).any():
        raise UserError(f"{where}: has values that are not whole numbers; give whole numbers")
    return array.astype(np.int64)


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # a damaged file can raise nearly anything
        raise UserError(
            f"{path}: cannot be read ({first_line(error)}); save arrays with numpy.savez, text as arrays of dtype str"
        ) from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as content:
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118 - not a mapping
            return {**(content.metadata() or {}), **tensors}
    except (SafetensorError, OSError, TypeError) as error:
        raise UserError(f"{path}: cannot be read ({first_line(error)}); save it with safetensors.numpy") from error


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npz": _read_npz,
    ".mat": read_matlab,
    ".safetensors": _read_safetensors,
}
