"""The index of a dataset's images and their pixels, resized once into one memory-mapped uint8 array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from csdn.artifacts.cache_record import (
    HOW_TO_REPAIR,
    BlockDigests,
    digest_of_paths,
    find_damage,
    read_record,
    record_path,
)
from csdn.artifacts.files import atomic, read_parquet
from csdn.config.layouts import MODALITIES
from csdn.data.image_files import read_image
from csdn.data.records import ImageRecord
from csdn.data.scratch import local_copy
from csdn.errors import UserError, first_line


@dataclass(frozen=True)
class ModalityImages:
    """Training images of one modality: `pixels` uint8 (N, H, W, 3) as rows of the cache, `labels` (N,) from 0."""

    cache: np.ndarray
    rows: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, selection: np.ndarray) -> np.ndarray:
        """uint8 images (n, H, W, 3) at the selected positions (n,)."""
        return self.cache[self.rows[selection]]


@dataclass(frozen=True)
class TrainingImages:
    """Training images of both modalities; label i is the person `person_ids[i]`."""

    visible: ModalityImages
    infrared: ModalityImages
    person_ids: np.ndarray


def read_index(path: Path) -> pd.DataFrame:
    """The index written by `index-images`: one row for each image.

    Raises:
        UserError: the file is missing, not an index, or empty.
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
            f"index: has no split {split!r}; add it to datasets.<name>.splits and run `csdn index-images` again"
        )
    return np.flatnonzero(index[column].isin(list(subsets)).to_numpy())


def to_records(index: pd.DataFrame, split: str) -> list[ImageRecord]:
    """The index's rows as records of `split`, in order; images outside the split have the subset ""."""
    columns = (index["path"], index["person_id"], index["camera_id"], index["modality"], index[f"subset_{split}"])
    return [ImageRecord(p, int(i), int(c), m, s) for p, i, c, m, s in zip(*columns, strict=True)]


def open_images(index: Path, cache: Path, scratch: str | None) -> tuple[pd.DataFrame, np.ndarray]:
    """An index and its pixels, after `check_inputs` has looked at both; see `read_index` and `open_cache`."""
    frame = read_index(index)
    return frame, open_cache(cache, len(frame), frame["path"], scratch=scratch, checked=True)


def open_cache(
    path: Path, images: int, paths: Iterable[str] | None = None, *, scratch: str | None = None, checked: bool = False
) -> np.ndarray:
    """The pixel cache, memory-mapped read-only: uint8 (images, H, W, 3).

    Args:
        path: the cache.
        images: rows of the index.
        paths: the index's paths in order. If given, the cache's record is checked against them and against the file
            (its size and a sample of its blocks).
        scratch: folder on the node's own disk in which a copy is kept and read.
        checked: whether the file has already been compared with its record.

    Raises:
        UserError: the cache is missing, damaged, changed, or holds other images than the index names.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; write it with `csdn index-images`")
    if paths is not None:
        _check_record(path, paths, checked)
    try:
        cache = np.load(local_copy(path, scratch) if paths is not None else path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); change its permissions") from error
    except Exception as error:  # NumPy parses the header as Python, so a damaged one can raise nearly anything
        raise UserError(f"{path}: is not a pixel cache ({first_line(error)}); {HOW_TO_REPAIR}") from error
    if not isinstance(cache, np.ndarray) or cache.dtype != np.uint8 or cache.ndim != 4 or cache.shape[3] != 3:
        raise UserError(f"{path}: is not a pixel cache; {HOW_TO_REPAIR}")
    if len(cache) != images:
        raise UserError(f"{path}: holds {len(cache)} images, but the index has {images}; {HOW_TO_REPAIR}")
    return cache


def _check_record(path: Path, paths: Iterable[str], checked: bool) -> None:
    wrong = None if checked else find_damage(path)
    if wrong:
        raise UserError(f"{path}: {wrong}; {HOW_TO_REPAIR}")
    record = read_record(path)
    if record and record.images != digest_of_paths(paths):
        raise UserError(f"{path}: holds the pixels of other images than the index names; {HOW_TO_REPAIR}")


def training_identities(index: pd.DataFrame, split: str, subsets: Sequence[str]) -> np.ndarray:
    """The persons that `split` trains, sorted: label i is the i-th."""
    return np.unique(index["person_id"].to_numpy()[subset_rows(index, split, subsets)])


def training_images(index: pd.DataFrame, cache: np.ndarray, split: str, subsets: Sequence[str]) -> TrainingImages:
    """The training images of `split`, with labels counted from 0 in the order of the sorted person ids.

    Raises:
        UserError: a modality has no training image.
    """
    rows = subset_rows(index, split, subsets)
    persons = training_identities(index, split, subsets)
    sides = []
    for modality in MODALITIES:
        own = rows[(index["modality"].to_numpy()[rows] == modality)]
        if not len(own):
            raise UserError(
                f"index: has no {modality} training image in split {split}; check the dataset's root and its lists"
            )
        labels = np.searchsorted(persons, index["person_id"].to_numpy()[own])
        sides.append(ModalityImages(cache, own, labels))
    return TrainingImages(sides[0], sides[1], persons)


def write_cache(
    root: Path,
    paths: Sequence[str],
    size: tuple[int, int],
    output: Path,
    progress: Callable[[int], None] | None = None,
    check: Callable[[list[str]], None] | None = None,
) -> None:
    """Resize every image once (Lanczos) to `size` (H, W) and write the cache and its record.

    Args:
        root: folder that the paths are relative to.
        paths: images, in the order of the index.
        size: height and width.
        output: the cache.
        progress: called with the number of images just finished.
        check: called with the SHA-256 of every image file; nothing is written if it raises.

    Raises:
        UserError: an image is missing or cannot be read (it is named), or the disk is full.
    """

    def rows() -> Iterator[np.ndarray]:
        digests = []
        for path in paths:
            pixels, digest = read_image(root / path, size)
            digests.append(digest)
            yield pixels
            if progress:
                progress(1)
        if check:
            check(digests)

    write_pixels(output, (len(paths), *size, 3), rows(), paths)


def write_pixels(
    output: Path, shape: tuple[int, int, int, int], blocks: Iterable[np.ndarray], paths: Iterable[str]
) -> None:
    """Write uint8 pixels of `shape` as .npy, block after block, and the record next to it.

    Written as a stream, because a full disk then raises an error; with a memory map it kills the process.

    Raises:
        UserError: the disk is full or may not be written.
        ValueError: the blocks do not fill the shape.
    """
    digests = BlockDigests()
    header = BytesIO()
    about = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, shape))}
    np.lib.format.write_array_header_1_0(header, about)
    # Both files are complete before either gets its final name.
    with atomic(record_path(output)) as record, atomic(output) as temporary:
        with temporary.open("wb") as handle:
            for block in chain([np.frombuffer(header.getvalue(), np.uint8)], blocks):
                data = np.ascontiguousarray(block, dtype=np.uint8).tobytes()
                handle.write(data)
                digests.update(data)
        filled = digests.size - len(header.getvalue())
        if filled != math.prod(shape):
            raise ValueError(f"{output}: {filled} bytes of pixels do not fill the shape {shape}")
        record.write_text(digests.record(paths).text(), encoding="utf-8")
