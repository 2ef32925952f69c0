"""`csdn index-images --check`: what was found beside what is expected, and everything that is wrong at once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pandas as pd
from rich.console import Console
from rich.table import Table

from csdn.config.base import EMBEDDED, PROTOCOLS, Layout
from csdn.config.loading import load_params
from csdn.console.progress import progress
from csdn.data.duplicates import across_identities, across_subsets
from csdn.data.image_files import read_image
from csdn.data.layout_files import is_file
from csdn.data.readers import counts
from csdn.data.records import ImageRecord
from csdn.errors import UserError, warn
from csdn.evaluation.protocols import find_protocol, sysu_gallery
from csdn.evaluation.scoring import load_permutations
from csdn.jobs.data import build_index, differences, inspect_splits
from csdn.steps.data import IndexImages
from csdn.steps.registry import load_settings, step_settings
from csdn.steps.selection import Selection
from csdn.study.files import image_sets
from csdn.study.paths import PERMUTATIONS, image_folder

LONGEST = 100  # lines of problems shown of one dataset
WIDTH = 120  # columns where standard output is no terminal


def run_check(
    layers: Sequence[str], overrides: Sequence[str], dataset: str | None, split: str | None, root: Path | None
) -> None:
    """Print, for one dataset or all, what was found beside the official numbers; write nothing.

    Args:
        layers: YAML files, or the settings of `index_images` as text.
        overrides: `key=value`.
        dataset: name of the dataset; None for all.
        split: the draw, of a dataset that has draws; None for all of them.
        root: its folder, if not the configured one.

    Raises:
        UserError: wrong settings, one folder for several sets of images, or something must be repaired; a line for
            each thing.
    """
    problems: list[str] = []
    for settings, folder in _image_sets(layers, overrides, Selection(dataset, split), root):
        found, warnings = _check_dataset(settings, folder)
        for text in warnings:
            warn(text)
        problems += found
    if problems:
        raise UserError("\n".join(problems))


def _image_sets(
    layers: Sequence[str], overrides: Sequence[str], chosen: Selection, root: Path | None
) -> list[tuple[IndexImages, Path]]:
    """The settings of `index_images` for each set of images to check, and its folder."""
    if layers and layers[0].lstrip().startswith("{"):
        settings = cast(IndexImages, load_settings(layers, overrides, "index_images", Selection()))
        return [(settings, root or Path(settings.root))]
    params = load_params(layers, overrides)
    places: list[tuple[str | None, str | None]] = [
        place for place in image_sets(params).values() if chosen.dataset in (None, place[0])
    ]
    if chosen.split or not places:
        places = [(chosen.dataset, chosen.split)]  # what is missing or unknown is told when its settings are picked
    if root and len(places) > 1:
        names = ", ".join(str(split if chosen.dataset else dataset) for dataset, split in places)
        option = "--split" if chosen.dataset else "--dataset"
        raise UserError(f"{option}: missing; --root {root} is the folder of one of {names}")
    found = [cast(IndexImages, step_settings(params, "index_images", Selection(*place))) for place in places]
    return [(each, root or Path(image_folder(params, each.dataset, each.splits[0]))) for each in found]


def _check_dataset(settings: IndexImages, root: Path) -> tuple[list[str], list[str]]:
    """Problems and warnings of one dataset, whose tables are printed."""
    by_split = inspect_splits(settings, root)
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    problems = list(dict.fromkeys(line for found in by_split.values() for line in found.problems))
    warnings = list(dict.fromkeys(line for found in by_split.values() for line in found.warnings))
    records = {split: found.records for split, found in by_split.items()}
    for split, images in records.items():
        for table in tables(f"{settings.dataset}, split {split}", images, settings.layout) if images else ():
            console.print(table)
        if settings.root != EMBEDDED and images:
            warnings += differences(settings, split, images)
    if any(records.values()):
        try:
            index = build_index(records, settings.held_out_identities)
        except UserError as error:
            problems.append(str(error))
            index = build_index(records)
        wrong, doubtful = _check_images(settings, root, index)
        problems += wrong
        warnings += doubtful
    if settings.layout == "sysu_mm01":
        warnings += _check_official_gallery(root, records[settings.splits[0]])
    return _shortened(problems, root), warnings


def _check_images(settings: IndexImages, root: Path, index: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Problems and warnings of the image files: each is decoded, and equal ones are found."""
    problems: list[str] = []
    digests: list[str] = []
    with progress(f"check {settings.dataset}", len(index), "images") as advance:
        for row, path in enumerate(index["path"]):
            digest = f"row {row}: unreadable"
            try:
                if is_file(root / path):  # the readers have named what is missing
                    digest = read_image(root / path, settings.image_size)[1]
            except UserError as error:
                problems.append(str(error))
            digests.append(digest)
            advance(1)
    leaks = [f"{root}: {line}" for line in across_subsets(index, digests, settings.splits)]
    doubtful = [f"{root}: {line}" for line in across_identities(index, digests, settings.splits)]
    if settings.duplicates == "refuse":
        return problems + leaks, doubtful
    return problems, leaks + doubtful


def _check_official_gallery(root: Path, records: Sequence[ImageRecord]) -> list[str]:
    """A warning if the official gallery draw does not fit the images; only `gallery: official` reads it."""
    path = root / PERMUTATIONS
    try:
        if is_file(path):
            sysu_gallery(records, "all", 10, 0, permutations=load_permutations(path))
    except UserError as error:
        return [f"{root}: {error}"]
    return []


def tables(title: str, records: Sequence[ImageRecord], layout: Layout) -> list[Table]:
    """Two tables: counts beside the official ones, and images and identities of each camera and subset."""
    official = Table("", "found", "official", title=title)
    for name, found, expected in [*counts(records, layout), *_protocol_sizes(records, layout)]:
        style = "yellow" if expected is not None and found != expected else None
        official.add_row(name, str(found), "" if expected is None else str(expected), style=style)
    subsets = [name for name in ("train", "val", "test") if any(r.subset == name for r in records)]
    columns = [f"{name}: {what}" for name in subsets for what in ("images", "identities")]
    cameras = Table("camera", "modality", *columns, title=f"{title}: cameras")
    for camera_id, modality in sorted({(r.camera_id, r.modality) for r in records}):
        own = [r for r in records if (r.camera_id, r.modality) == (camera_id, modality)]
        cells = []
        for name in subsets:
            persons = [r.person_id for r in own if r.subset == name]
            cells += [str(len(persons)), str(len(set(persons)))]
        cameras.add_row(str(camera_id), modality, *cells)
    return [official, cameras]


def _protocol_sizes(records: Sequence[ImageRecord], layout: str) -> list[tuple[str, int, int | None]]:
    """Queries and gallery images of the first trial of each protocol."""
    rows: list[tuple[str, int, int | None]] = []
    for name in PROTOCOLS[layout]:
        protocol = find_protocol(name)
        rows.append((f"{name}: queries", len(protocol.query(records)), None))
        rows.append((f"{name}: gallery images", len(protocol.gallery(records, 0)), None))
    return rows


def _shortened(problems: list[str], root: Path) -> list[str]:
    if len(problems) <= LONGEST:
        return problems
    return [*problems[:LONGEST], f"{root}: {len(problems) - LONGEST} more problems; repair these first"]
