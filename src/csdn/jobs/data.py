"""The subcommands of the embedded benchmark: make-dataset and pretrain-clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from csdn.artifacts.files import read_parquet, write_csv, write_tensors
from csdn.artifacts.records import write_provenance
from csdn.config.benchmark import PretrainingPopulation
from csdn.config.layouts import CAMERAS, MODALITIES
from csdn.console.progress import progress
from csdn.data.image_cache import open_cache
from csdn.errors import UserError
from csdn.seeding import derive_seed
from csdn.steps.slices import MakeDataset
from csdn.study.paths import ANNOTATIONS, HISTORY, PIXELS, ZERO_SHOT


def run_make_dataset(step: MakeDataset, output: Path, workers: int) -> None:
    """Render a dataset beside `output`, its annotations.parquet, which is written last."""
    from csdn.synthetic import layouts

    if output.name != ANNOTATIONS:
        raise UserError(f"--output {output}: must be named {ANNOTATIONS}; the images are written beside it")
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
    visible, infrared = (len(CAMERAS[step.layout][modality]) for modality in MODALITIES)
    per_person = visible + infrared * people.infrared_factor
    return per_person * (people.train * people.train_images + (people.val + people.test) * people.test_images)


def run_pretrain_clip(step: Any, annotations: Path, output: Path) -> None:
    """Pre-train the small CLIP and write clip.safetensors, history.csv and zero_shot.csv."""
    import torch

    from csdn.jobs.trained_step import trained_step
    from csdn.models.clip_backbone import create_clip
    from csdn.training.clip_pretraining import LOG_EVERY, pretrain_clip

    settings = step.clip.pretraining
    frame = read_parquet(annotations)
    images = open_cache(annotations.with_name(PIXELS), len(frame), frame["identity_key"])
    if images.shape[1:3] != tuple(step.clip.image_size):
        raise UserError(
            f"clip.image_size: is {step.clip.image_size}, the rendered images are {images.shape[1:3]}; set both alike"
        )
    seed = derive_seed(settings.seed, "pretrain_clip")
    train = np.flatnonzero(frame["subset"] == "train")
    inputs = {"annotations": annotations, "images": annotations.with_name(PIXELS)}
    with (
        trained_step(step, output, inputs, settings.precision) as context,
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
            context.compute.device,
            on_log,
            context.checkpoints,
        )
        table = zero_shot_table(model.cpu(), images, frame)
        names = "zero_shot/" + table["modality"] + "/" + table["attribute"]
        context.tracker.metrics(dict(zip(names, table["balanced_accuracy"], strict=True)))
        write_csv(output.with_name(HISTORY), pd.DataFrame(history))
        write_csv(output.with_name(ZERO_SHOT), table)
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
    for modality in MODALITIES:
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
