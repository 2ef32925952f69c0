"""The index of a dataset's images and their pixels, resized once into one memory-mapped uint8 array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, UnidentifiedImageError

from csdn.artifacts import atomic, read_parquet
from csdn.data.records import ImageRecord
from csdn.errors import UserError

MODALITIES = ("visible", "infrared")


@dataclass(frozen=True)
class ModalityImages:
    """Training images of one modality: `pixels` uint8 (N, H, W, 3) as rows of the cache, `labels` (N,) from 0."""

    cache: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, selection: np.ndarray) -> np.ndarray:
        """uint8 images (n, H, W, 3) of the selected positions (n,)."""
        return self.cache[self.rows[selection]]


@dataclass(frozen=True)
class TrainingImages:
    """Training images of both modalities; label i is the person `person_ids[i]`."""

    visible: ModalityImages
    infrared: ModalityImages
    person_ids: np.ndarray


def read_index(path: Path) -> pd.DataFrame:
    """The index written by `index-images`: one row an image.

    Raises:
        UserError: missing, not an index, or empty.
    """
    index = read_parquet(path)
    wanted = {"path", "person_id", "camera_id", "modality"}
    if not wanted <= set(index.columns) or index.empty:
        raise UserError(f"{path}: is not an image index; write it with `csdn index-images`")
    return index


def subset_rows(index: pd.DataFrame, split: str, subsets: Sequence[str]) -> np.ndarray:
    """Rows of the index that belong to `subsets` of `split`.

    Raises:
        UserError: the index was made without this split.
    """
    column = f"subset_{split}"
    if column not in index:
        raise UserError(
            f"index: has no split {split!r}; add it to datasets.<name>.splits and rerun `csdn index-images`"
        )
    return np.flatnonzero(index[column].isin(list(subsets)).to_numpy())


def to_records(index: pd.DataFrame, split: str) -> list[ImageRecord]:
    """The index's rows as records of `split`, in order; images outside the split keep the subset ""."""
    columns = (index["path"], index["person_id"], index["camera_id"], index["modality"], index[f"subset_{split}"])
    return [ImageRecord(p, int(i), int(c), m, s) for p, i, c, m, s in zip(*columns, strict=True)]


def open_cache(path: Path, images: int) -> np.ndarray:
    """The pixel cache, memory-mapped read-only: uint8 (images, H, W, 3).

    Raises:
        UserError: missing, damaged, or of another number of images than the index.
    """
    try:
        cache = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; write it with `csdn index-images`") from error
    except ValueError as error:
        raise UserError(f"{path}: is not a pixel cache ({error}); rewrite it with `csdn index-images`") from error
    if cache.dtype != np.uint8 or cache.ndim != 4 or len(cache) != images:
        raise UserError(f"{path}: holds {len(cache)} images, the index {images}; rewrite both with `csdn index-images`")
    return cache


def training_images(index: pd.DataFrame, cache: np.ndarray, split: str, subsets: Sequence[str]) -> TrainingImages:
    """The training images of `split`, labels counted from 0 over the sorted person ids.

    Raises:
        UserError: a modality has no training image.
    """
    rows = subset_rows(index, split, subsets)
    persons = np.unique(index["person_id"].to_numpy()[rows])
    sides = []
    for modality in MODALITIES:
        own = rows[(index["modality"].to_numpy()[rows] == modality)]
        if not len(own):
            raise UserError(
                f"index: no {modality} training image in split {split}; check the dataset's root and its lists"
            )
        labels = np.searchsorted(persons, index["person_id"].to_numpy()[own])
        sides.append(ModalityImages(cache, own, labels))
    return TrainingImages(sides[0], sides[1], persons)


def write_cache(
    root: Path, paths: Sequence[str], size: tuple[int, int], output: Path, progress: Callable[[int], None] | None = None
) -> None:
    """Resize every image once (Lanczos) to `size` (H, W) and write the cache atomically.

    Raises:
        UserError: an image is missing or cannot be read; names it.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic(output) as temporary:
        shape = (len(paths), *size, 3)
        cache = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row, path in enumerate(paths):
            cache[row] = _read_image(root / path, size)
            if progress:
                progress(1)
        cache.flush()


def _read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
            target = (size[1], size[0])
            return np.asarray(rgb if rgb.size == target else rgb.resize(target, Image.Resampling.LANCZOS))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such image; the dataset is incomplete, copy it again") from error
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error}); replace or delete it") from error
