"""The subcommand pretrain-clip: the small CLIP of the embedded benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from csdn.artifacts.files import read_parquet, write_csv, write_tensors
from csdn.config.layouts import MODALITIES
from csdn.console.progress import progress
from csdn.data.image_cache import open_cache
from csdn.errors import UserError
from csdn.jobs.trained_step import trained_step
from csdn.models.clip_backbone import create_clip
from csdn.seeding import derive_seed
from csdn.steps.training import PretrainClip
from csdn.study.paths import HISTORY, PIXELS, ZERO_SHOT
from csdn.synthetic.attributes import ATTRIBUTES, COLOR_ATTRIBUTES
from csdn.synthetic.captions import zero_shot_prompts
from csdn.training.clip_pretraining import LOG_EVERY, PretrainingOptimization, pretrain_clip, zero_shot_accuracy


def run_pretrain_clip(settings: PretrainClip, annotations: Path, output: Path) -> None:
    """Pre-train the small CLIP and write clip.safetensors, history.csv and zero_shot.csv."""
    pretraining = settings.clip.pretraining
    seed = derive_seed(pretraining.seed, "pretrain_clip")
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

        captions = frame[["caption_0", "caption_1"]].to_numpy()[train].tolist()
        data = (np.asarray(images[train]), captions, attribute_classes(frame.iloc[train]))
        rng, device = np.random.default_rng(seed), context.compute.device
        how, std = pretraining.part(PretrainingOptimization), pretraining.position_std
        history = pretrain_clip(model, *data, how, rng, device, on_log, context.checkpoints, position_std=std)
        table = zero_shot_table(model.cpu(), images, frame)
        names = "zero_shot/" + table["modality"] + "/" + table["attribute"]
        context.tracker.metrics(dict(zip(names, table["balanced_accuracy"], strict=True)))
        write_csv(output.with_name(HISTORY), pd.DataFrame(history))
        write_csv(output.with_name(ZERO_SHOT), table)
        write_tensors(output, model.state_dict())


def attribute_classes(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Class index of each attribute column (N,), -1 for colours of infrared images, which show none."""
    infrared = frame["modality"].to_numpy() == "infrared"
    out = {}
    for name, values in ATTRIBUTES.items():
        classes = frame[name].map({value: n for n, value in enumerate(values)}).to_numpy(dtype=np.int64)
        out[name] = np.where(infrared & (name in COLOR_ATTRIBUTES), -1, classes)
    return out


def zero_shot_table(model: Any, images: np.ndarray, frame: pd.DataFrame) -> pd.DataFrame:
    """Zero-shot balanced accuracy of every attribute on the held-out identities, by modality, beside chance."""
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
