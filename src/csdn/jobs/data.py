"""The data subcommands: make-dataset, pretrain-clip and index-images."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from csdn.artifacts import read_parquet, write_csv, write_parquet, write_provenance, write_tensors
from csdn.config import EMBEDDED, PretrainingPopulation
from csdn.data.image_cache import open_cache, write_cache
from csdn.data.readers import compare_counts, read_records
from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.progress import progress
from csdn.seeding import derive_seed
from csdn.slices import IndexImages, MakeDataset


def run_make_dataset(step: MakeDataset, output: Path, workers: int) -> None:
    """Render a dataset beside `output`, its annotations.parquet, which is written last."""
    from csdn.synthetic import layouts

    if output.name != "annotations.parquet":
        raise UserError(f"--output {output}: must be named annotations.parquet; the images are written beside it")
    writers = {
        "sysu_mm01": layouts.write_sysu_mm01,
        "regdb": layouts.write_regdb,
        "llcm": layouts.write_llcm,
        None: layouts.write_pretraining,
    }
    with progress(f"make-dataset {step.dataset}", count_images(step), "images") as advance:
        writers[step.layout](output.parent, step.benchmark, workers=workers, progress=advance)
    write_provenance(output, step.record(), {})


def count_images(step: MakeDataset) -> int:
    """How many images `make-dataset` renders."""
    if step.layout is None:
        population: PretrainingPopulation = step.benchmark.pretraining
        seen = population.identities * population.images * (2 if population.infrared else 1)
        return seen + 2 * population.held_out
    people = getattr(step.benchmark, step.layout)
    visible, infrared = {"sysu_mm01": (4, 2), "regdb": (1, 1), "llcm": (9, 8)}[step.layout]
    per_person = visible + infrared * people.infrared_factor
    return per_person * (people.train * people.train_images + (people.val + people.test) * people.test_images)


def run_index_images(step: IndexImages, root: Path, index: Path, cache: Path, check: bool) -> None:
    """Read the dataset's lists for every split, write the index, and resize every image once into the cache.

    `check` prints what was found beside the official numbers and writes nothing.
    """
    by_split = {split: read_records(step.layout, root, split) for split in step.splits}
    if check:
        for split, records in by_split.items():
            _print_counts(step, split, records)
        return
    if step.root != EMBEDDED:
        for split, records in by_split.items():
            for name, found, expected in compare_counts(records, step.layout):
                print(f"csdn: warning: split {split}: {found} {name}, officially {expected}", file=sys.stderr)
    frame = build_index(by_split, step.held_out_identities)
    with progress(f"index-images {step.dataset}", len(frame), "images") as advance:
        write_cache(root, frame["path"].tolist(), step.image_size, cache, advance)
    write_parquet(index, frame)
    slice_ = step.record()
    write_provenance(index, slice_, {"cache": cache})


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


def _print_counts(step: IndexImages, split: str, records: list[ImageRecord]) -> None:
    table = Table("", "found", "official", title=f"{step.dataset}, split {split}: {len(records)} images")
    for name, found, expected in compare_counts(records, step.layout):
        table.add_row(name, str(found), str(expected), style="yellow")
    Console().print(table if table.row_count else f"{table.title}, all counts as officially published")


def run_pretrain_clip(step: Any, annotations: Path, output: Path) -> None:
    """Pre-train the small CLIP and write clip.safetensors, history.csv and zero_shot.csv."""
    import torch

    from csdn.jobs.trained_step import trained_step
    from csdn.models.clip_backbone import create_clip
    from csdn.training.clip_pretraining import LOG_EVERY, pretrain_clip

    settings = step.clip.pretraining
    frame = read_parquet(annotations)
    images = open_cache(annotations.with_name("images.npy"), len(frame))
    if images.shape[1:3] != tuple(step.clip.image_size):
        raise UserError(
            f"clip.image_size: is {step.clip.image_size}, the rendered images are {images.shape[1:3]}; set both alike"
        )
    seed = derive_seed(settings.seed, "pretrain_clip")
    train = np.flatnonzero(frame["subset"] == "train")
    inputs = {"annotations": annotations, "images": annotations.with_name("images.npy")}
    with (
        trained_step(step, output, inputs) as context,
        progress("pretrain-clip", settings.steps, "steps") as advance,
    ):
        torch.manual_seed(seed)
        model = create_clip(step.clip, step.clip.image_size)

        def on_log(row: dict[str, Any]) -> None:
            values = {f"pretraining/{k}": float(v) for k, v in row.items() if k != "step"}
            context.tracker.metrics(values, step=row["step"])
            advance(LOG_EVERY)

        history = pretrain_clip(
            model,
            np.asarray(images[train]),
            frame[["caption_0", "caption_1"]].to_numpy()[train].tolist(),
            attribute_classes(frame.iloc[train]),
            settings,
            np.random.default_rng(seed),
            context.device,
            on_log,
            context.checkpoints,
        )
        table = zero_shot_table(model.cpu(), images, frame)
        names = "zero_shot/" + table["modality"] + "/" + table["attribute"]
        context.tracker.metrics(dict(zip(names, table["balanced_accuracy"], strict=True)))
        write_csv(output.with_name("history.csv"), pd.DataFrame(history))
        write_csv(output.with_name("zero_shot.csv"), table)
        write_tensors(output, model.state_dict())


def attribute_classes(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Class index of each attribute column (N,), -1 for colours of infrared images, which show none."""
    from csdn.synthetic.attributes import ATTRIBUTES, COLOR_ATTRIBUTES

    infrared = frame["modality"].to_numpy() == "infrared"
    out = {}
    for name, values in ATTRIBUTES.items():
        classes = frame[name].map({value: n for n, value in enumerate(values)}).to_numpy(dtype=np.int64)
        out[name] = np.where(infrared & (name in COLOR_ATTRIBUTES), -1, classes)
    return out


def zero_shot_table(model: Any, images: np.ndarray, frame: pd.DataFrame) -> pd.DataFrame:
    """Zero-shot balanced accuracy of every attribute on the held-out identities, by modality, beside chance."""
    from csdn.synthetic.attributes import ATTRIBUTES, COLOR_ATTRIBUTES
    from csdn.synthetic.captions import zero_shot_prompts
    from csdn.training.clip_pretraining import zero_shot_accuracy

    rows = []
    for modality in ("visible", "infrared"):
        held = np.flatnonzero((frame["subset"] == "held_out") & (frame["modality"] == modality))
        pixels = np.asarray(images[held])
        for name in ATTRIBUTES:
            if modality == "infrared" and name in COLOR_ATTRIBUTES:
                continue
            labels = frame[name].to_numpy()[held]
            prompts = zero_shot_prompts(name, modality)
            accuracy = zero_shot_accuracy(model, pixels, labels, prompts)
            occurring = len(np.unique(labels))
            rows.append([name, modality, len(prompts), len(held), accuracy, 1 / len(prompts), occurring])
    columns = ["attribute", "modality", "classes", "images", "balanced_accuracy", "chance", "occurring_classes"]
    return pd.DataFrame(rows, columns=columns)
