"""One entry point to the readers of all layouts, and the official counts of a complete copy of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from csdn.data import llcm, regdb, sysu_mm01
from csdn.data.layout_files import Inspection
from csdn.data.records import ImageRecord
from csdn.errors import UserError

Count = Callable[[Sequence[ImageRecord]], int]


def read_records(layout: str, root: Path | str, split: str | int = "default") -> list[ImageRecord]:
    """The images of the dataset in folder `root`.

    Args:
        layout: "sysu_mm01", "regdb" or "llcm".
        root: folder of the dataset.
        split: 1..10 for RegDB; the other layouts have only the split "default".

    Raises:
        UserError: the layout or split does not exist, or the folder does not have the layout (see each reader).
    """
    return inspect(layout, root, split).checked()


def inspect(layout: str, root: Path | str, split: str | int = "default") -> Inspection:
    """Like `read_records`, but returns everything that is wrong in the folder instead of raising an error.

    Raises:
        UserError: the layout or split does not exist.
    """
    if layout == "regdb":
        return regdb.inspect(root, split)
    if str(split) != "default":
        raise UserError(f"split {split!r} does not exist in layout {layout}; it has only `default`")
    if layout == "sysu_mm01":
        return sysu_mm01.inspect(root)
    if layout == "llcm":
        return llcm.inspect(root)
    raise UserError(f"unknown layout {layout!r}; known: sysu_mm01, regdb, llcm")


def expected_counts(layout: str) -> dict[str, int]:
    """Official counts of a complete copy of the dataset (for RegDB: of one split)."""
    return {name: expected for name, (_, expected) in _OFFICIAL[layout].items()}


def counts(records: Sequence[ImageRecord], layout: str) -> list[tuple[str, int, int]]:
    """Every official count, as `(name, found, expected)`."""
    return [(name, count(records), expected) for name, (count, expected) in _OFFICIAL[layout].items()]


def compare_counts(records: Sequence[ImageRecord], layout: str) -> list[tuple[str, int, int]]:
    """Where `records` differ from the official dataset, as `(name, found, expected)`; empty for a complete copy.

    A difference is not an error: a part of a dataset, or another dataset in the same layout, can be used as well. But
    its results are not comparable with published ones, so callers show a warning.
    """
    return [row for row in counts(records, layout) if row[1] != row[2]]


def _identities(*subsets: str) -> Count:
    return lambda records: len({r.person_id for r in records if r.subset in subsets})


def _images(modality: str, *subsets: str) -> Count:
    return lambda records: sum(r.subset in subsets and r.modality == modality for r in records)


def _identities_and_cameras(modality: str, *subsets: str) -> Count:
    return lambda records: len(
        {(r.person_id, r.camera_id) for r in records if r.subset in subsets and r.modality == modality}
    )


_OFFICIAL: dict[str, dict[str, tuple[Count, int]]] = {
    "sysu_mm01": {
        "training identities (train and val)": (_identities("train", "val"), 395),
        "visible training images": (_images("visible", "train", "val"), 22258),
        "infrared training images": (_images("infrared", "train", "val"), 11909),
        "test identities": (_identities("test"), 96),
        "query images": (_images("infrared", "test"), 3803),
        "single-shot gallery images (all search)": (_identities_and_cameras("visible", "test"), 301),
    },
    "regdb": {
        "training identities": (_identities("train"), 206),
        "visible training images": (_images("visible", "train"), 2060),
        "infrared training images": (_images("infrared", "train"), 2060),
        "test identities": (_identities("test"), 206),
        "visible test images": (_images("visible", "test"), 2060),
        "infrared test images": (_images("infrared", "test"), 2060),
    },
    "llcm": {
        "training identities": (_identities("train"), 713),
        "test identities": (_identities("test"), 351),
    },
}
