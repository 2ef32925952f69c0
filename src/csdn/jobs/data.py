"""The data subcommands: make-dataset renders; index-images makes a table of the lists and an array of the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from csdn.artifacts.files import write_parquet
from csdn.artifacts.records import write_provenance
from csdn.config.base import EMBEDDED
from csdn.config.benchmark import PretrainingPopulation
from csdn.config.datasets import DEFAULT_SPLIT
from csdn.config.layouts import CAMERAS, MODALITIES
from csdn.console.progress import progress
from csdn.data.duplicates import across_subsets
from csdn.data.image_cache import write_cache
from csdn.data.layout_files import Inspection, first_few, first_problem
from csdn.data.readers import compare_counts, inspect
from csdn.data.records import ImageRecord
from csdn.errors import UserError, warn
from csdn.seeding import derive_seed
from csdn.steps.data import IndexImages, MakeDataset
from csdn.study.paths import ANNOTATIONS


def run_make_dataset(settings: MakeDataset, output: Path, workers: int) -> None:
    """Render a dataset beside `output`, its annotations.parquet, which is written last."""
    from csdn.synthetic import GENERATOR, layouts
    from csdn.synthetic.shot_lists import draw_of

    if output.name != ANNOTATIONS:
        raise UserError(f"--output {output}: must be named {ANNOTATIONS}; the images are written beside it")
    writers = {
        "sysu_mm01": layouts.write_sysu_mm01,
        "regdb": layouts.write_regdb,
        "llcm": layouts.write_llcm,
        None: layouts.write_pretraining,
    }
    benchmark = draw_of(settings.benchmark, settings.split) if settings.split else settings.benchmark
    with progress(f"make-dataset {settings.dataset}", count_images(settings), "images") as advance:
        writers[settings.layout](output.parent, benchmark, workers=workers, progress=advance)
    write_provenance(output, settings.record() | {"generator": GENERATOR}, {})


def count_images(settings: MakeDataset) -> int:
    """How many images `make-dataset` renders."""
    if settings.layout is None:
        population: PretrainingPopulation = settings.benchmark.pretraining
        seen = population.identities * population.images * (2 if population.infrared else 1)
        return seen + 2 * population.held_out
    people = getattr(settings.benchmark, settings.layout)
    visible, infrared = (len(CAMERAS[settings.layout][modality]) for modality in MODALITIES)
    per_person = visible + infrared * people.infrared_factor
    return per_person * (people.train * people.train_images + (people.val + people.test) * people.test_images)


def run_index_images(settings: IndexImages, root: Path, index: Path, cache: Path) -> None:
    """Read the dataset's lists for every split, write the index, and resize every image once into the cache.

    Raises:
        UserError: the dataset is wrong in some way; nothing is written.
    """
    records, warnings = _read_splits(settings, root)
    frame = build_index(records, settings.held_out_identities)

    def check(digests: list[str]) -> None:
        leaks = [f"{root}: {line}" for line in across_subsets(frame, digests, settings.splits)]
        if leaks and settings.duplicates == "refuse":
            raise UserError(first_problem(leaks))
        warnings.extend(leaks)

    with progress(f"index-images {settings.dataset}", len(frame), "images") as advance:
        write_cache(root, frame["path"].tolist(), settings.image_size, cache, advance, check)
    write_parquet(index, frame)
    write_provenance(index, settings.record(), {"cache": cache})
    for line in warnings:
        warn(line)


def inspect_splits(settings: IndexImages, root: Path) -> dict[str, Inspection]:
    """What is in the folder, for each split. A draw has a folder of its own, whose lists know of no draws."""
    in_lists = {split: DEFAULT_SPLIT if settings.split else split for split in settings.splits}
    return {split: inspect(settings.layout, root, name) for split, name in in_lists.items()}


def _read_splits(settings: IndexImages, root: Path) -> tuple[dict[str, list[ImageRecord]], list[str]]:
    """Records of each split, and warnings where a dataset on disk is not the official one."""
    found = inspect_splits(settings, root)
    problems = list(dict.fromkeys(line for split in found.values() for line in split.problems))
    if problems:
        raise UserError(first_problem(problems))
    records = {split: inspection.records for split, inspection in found.items()}
    if settings.root == EMBEDDED:
        return records, []
    warnings = [line for inspection in found.values() for line in inspection.warnings]
    for split, images in records.items():
        warnings += differences(settings, split, images)
    return records, list(dict.fromkeys(warnings))


def differences(settings: IndexImages, split: str, images: list[ImageRecord]) -> list[str]:
    """One line if the counts of a split are not the official ones, one if persons were seen in one modality only."""
    lines = []
    differ = compare_counts(images, settings.layout)
    if differ:
        shown = "; ".join(f"{found} {name}, officially {expected}" for name, found, expected in differ)
        lines.append(f"{settings.dataset}, split {split}: {shown}; figures on it do not compare with published ones")
    seen = {
        modality: {r.person_id for r in images if r.subset != "test" and r.modality == modality}
        for modality in MODALITIES
    }
    single = sorted(seen["visible"] ^ seen["infrared"])
    if single:
        lines.append(
            f"{settings.dataset}, split {split}: training identities {first_few(single)} have images of one modality "
            "only; they are in no batch of the encoder"
        )
    return lines


def build_index(by_split: dict[str, list[ImageRecord]], held_out_identities: int = 0) -> pd.DataFrame:
    """One row an image over all splits, with a column `subset_<split>` ("" where an image is not part of a split).

    Args:
        by_split: records of each split in the reader's order.
        held_out_identities: training identities of each split that become "val", drawn with a fixed seed.
    """
    labels = ["path", "person_id", "camera_id", "modality"]
    frames = [
        pd.DataFrame([[getattr(r, c) for c in labels] for r in records], columns=labels)
        for records in by_split.values()
    ]
    index = pd.concat(frames).drop_duplicates("path", ignore_index=True)
    for split, records in by_split.items():
        subset = {record.path: record.subset for record in records}
        column = index["path"].map(subset).fillna("")
        if held_out_identities:
            column = _hold_out(index, column, held_out_identities, split)
        index[f"subset_{split}"] = column
    return index


def _hold_out(index: pd.DataFrame, column: pd.Series, count: int, split: str) -> pd.Series:
    persons = np.unique(index.loc[column == "train", "person_id"])
    if count >= len(persons):
        raise UserError(f"held_out_identities: {count} of {len(persons)} training identities; leave some to train on")
    rng = np.random.default_rng(derive_seed(0, "held_out", split))
    chosen = rng.choice(persons, count, replace=False)
    return column.mask((column == "train") & index["person_id"].isin(chosen), "val")
