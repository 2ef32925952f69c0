"""The subcommand pretrain-clip: the small CLIP of the embedded benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from open_clip.model import CLIP

from csdn.artifacts.files import read_parquet, read_tensors, write_csv, write_tensors
from csdn.artifacts.records import record_of, write_provenance
from csdn.config.clip import Clip
from csdn.config.layouts import CAMERAS, MODALITIES
from csdn.console.progress import progress
from csdn.data.image_cache import open_cache
from csdn.errors import UserError
from csdn.jobs.trained_step import trained_step
from csdn.models.clip_backbone import create_clip, load_small_clip
from csdn.models.small_clip import without_unknown_words
from csdn.seeding import derive_seed
from csdn.statistics.classification import balanced_accuracy
from csdn.steps.input_checks import check_inputs
from csdn.steps.training import PretrainClip
from csdn.study.paths import ANNOTATIONS, HISTORY, PIXELS, ZERO_SHOT
from csdn.synthetic.attributes import ATTRIBUTES, COLOR_ATTRIBUTES
from csdn.synthetic.captions import zero_shot_prompts
from csdn.synthetic.layouts import CAPTION_COLUMNS, GREY_CAPTION_COLUMNS
from csdn.training.clip_pretraining import (
    LOG_EVERY,
    Captioned,
    PretrainingOptimization,
    pretrain_clip,
    project_plain,
    zero_shot_classes,
)

ZERO_SHOT_COLUMNS = ["attribute", "modality", "classes", "images", "balanced_accuracy", "low", "high", "chance"]


def run_pretrain_clip(settings: PretrainClip, annotations: Path, output: Path) -> None:
    """Pre-train the small CLIP and write clip.safetensors, history.csv and zero_shot.csv."""
    pretraining = settings.clip.pretraining
    seed = derive_seed(pretraining.seed, "pretrain_clip", *(["draw", settings.split] if settings.split else []))
    inputs = {"annotations": annotations, "images": annotations.with_name(PIXELS)}
    with (
        trained_step(settings, output, inputs, pretraining.precision) as context,
        progress("pretrain-clip", pretraining.steps, "steps") as advance,
    ):
        frame = read_parquet(annotations)
        images = open_cache(inputs["images"], len(frame), frame["identity_key"], scratch=settings.scratch, checked=True)
        size = tuple(settings.clip.image_size)
        if images.shape[1:3] != size:
            raise UserError(f"clip.image_size: is {size}, the rendered images are {images.shape[1:3]}; set both alike")
        train = np.flatnonzero(frame["subset"] == "train")
        torch.manual_seed(seed)
        model = create_clip(settings.clip.architecture, settings.clip.image_size)

        def on_log(row: dict[str, Any]) -> None:
            values = {f"pretraining/{k}": float(v) for k, v in row.items() if k != "step"}
            context.tracker.metrics(values, step=row["step"])
            advance(LOG_EVERY)

        data = (np.asarray(images[train]), *said_of(frame.iloc[train]))
        rng, device = np.random.default_rng(seed), context.compute.device
        how, std = pretraining.part(PretrainingOptimization), pretraining.position_std
        history = pretrain_clip(model, *data, how, rng, device, on_log, context.checkpoints, position_std=std)
        table = zero_shot_table(model.cpu(), images, frame)
        names = "zero_shot/" + table["modality"] + "/" + table["attribute"]
        context.tracker.metrics(dict(zip(names, table["balanced_accuracy"], strict=True)))
        write_csv(output.with_name(HISTORY), pd.DataFrame(history))
        write_csv(output.with_name(ZERO_SHOT), table)
        write_tensors(output, without_unknown_words(model.state_dict()))


def run_pack_clip(clip: Path, annotations: Path, output: Path) -> None:
    """Make the file that is shipped: `clip` in half precision, with its recipe and the zero-shot table of that file.

    Args:
        clip: clip.safetensors of pretrain-clip; annotations: of make-dataset, what it was trained on.

    Raises:
        UserError: a file lacks its record, or was changed or made from other images.
    """
    images = annotations.with_name(PIXELS)
    made, rendered = record_of(clip), record_of(annotations)["parameters"]
    trained = made["parameters"]
    inputs = {"annotations": annotations, "images": images, "clip": clip}
    digests = check_inputs({"step": "pack_clip"}, inputs)
    state = {name: torch.from_numpy(value) for name, value in read_tensors(clip).items()}
    half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    write_tensors(output, half)
    starting = Clip.model_validate(trained["clip"])
    model = load_small_clip(starting.mini.model_dump(), output, starting.image_size, trained_size=starting.image_size)
    frame = read_parquet(annotations)
    table = zero_shot_table(model, open_cache(images, len(frame), frame["identity_key"], checked=True), frame)
    write_csv(output.with_name(ZERO_SHOT), table)
    benchmark = {name: value for name, value in rendered["benchmark"].items() if name not in CAMERAS}
    recipe = {"step": "pack_clip", "clip": trained["clip"], "benchmark": benchmark}
    recipe |= {"split": trained["split"]} if trained.get("split") else {}
    recipe |= {"trained_by": {name: made.get(name) for name in ("code", "machine", "compute")}}
    beside = [output.with_name(ZERO_SHOT)]
    write_provenance(output, recipe, {"clip": clip, "annotations": annotations}, digests=digests, beside=beside)


def said_of(frame: pd.DataFrame) -> tuple[Captioned, Captioned]:
    """Captions and attribute classes of the images in `frame` as they are, and of their grey copies.

    Raises:
        UserError: the annotations lack the captions of grey copies.
    """
    if missing := [name for name in GREY_CAPTION_COLUMNS if name not in frame]:
        raise UserError(f"{ANNOTATIONS}: no column {missing[0]!r}; render the images again with make-dataset")
    colorless = frame["modality"].to_numpy() == "infrared"
    return (
        Captioned(frame[list(CAPTION_COLUMNS)].to_numpy().tolist(), attribute_classes(frame, colorless)),
        Captioned(frame[list(GREY_CAPTION_COLUMNS)].to_numpy().tolist(), attribute_classes(frame, colorless | True)),
    )


def attribute_classes(frame: pd.DataFrame, colorless: np.ndarray) -> dict[str, np.ndarray]:
    """Class index of each attribute column (N,), -1 for the colours of `colorless` images (N,)."""
    out = {}
    for name, values in ATTRIBUTES.items():
        classes = frame[name].map({value: n for n, value in enumerate(values)}).to_numpy(dtype=np.int64)
        out[name] = np.where(colorless & (name in COLOR_ATTRIBUTES), -1, classes)
    return out


def zero_shot_table(model: CLIP, images: np.ndarray, frame: pd.DataFrame) -> pd.DataFrame:
    """Zero-shot balanced accuracy of every attribute on the held-out identities, by modality, beside chance."""
    rows = []
    for modality in MODALITIES:
        held = np.flatnonzero((frame["subset"] == "held_out") & (frame["modality"] == modality))
        features = project_plain(model, np.asarray(images[held]))
        for name in ATTRIBUTES:
            if modality == "infrared" and name in COLOR_ATTRIBUTES:
                continue
            labels = frame[name].to_numpy()[held]
            prompts = zero_shot_prompts(name, colored=modality == "visible")
            generator = np.random.default_rng(derive_seed(0, "zero_shot", name, modality))
            found = balanced_accuracy(zero_shot_classes(model, features, prompts), labels, generator)
            rows.append([name, modality, len(prompts), len(held), *found, 1 / len(prompts)])
    return pd.DataFrame(rows, columns=ZERO_SHOT_COLUMNS)
