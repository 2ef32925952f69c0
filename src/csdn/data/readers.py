"""One entry point to the readers of all layouts, and the official counts of a complete copy of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from csdn.config.base import Layout
from csdn.config.layouts import OFFICIAL_COUNTS, OfficialCount
from csdn.data import llcm, regdb, sysu_mm01
from csdn.data.layout_files import Inspection
from csdn.data.records import ImageRecord
from csdn.errors import UserError


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


def counts(records: Sequence[ImageRecord], layout: Layout) -> list[tuple[str, int, int]]:
    """Everything that has an official count, as `(name, found, expected)`."""
    return [(official.name, _count(records, official), official.expected) for official in OFFICIAL_COUNTS[layout]]


def compare_counts(records: Sequence[ImageRecord], layout: Layout) -> list[tuple[str, int, int]]:
    """Where `records` differ from the official dataset, as `(name, found, expected)`; empty for a complete copy.

    A difference is not an error: a part of a dataset, or another dataset in the same layout, can be used as well. But
    its results are not comparable with published ones, so callers show a warning.
    """
    return [row for row in counts(records, layout) if row[1] != row[2]]


def _count(records: Sequence[ImageRecord], official: OfficialCount) -> int:
    chosen = [r for r in records if r.subset in official.subsets and official.modality in (None, r.modality)]
    if official.of == "images":
        return len(chosen)
    return len({(r.person_id, r.camera_id if official.of == "identities and cameras" else None) for r in chosen})
