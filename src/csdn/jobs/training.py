"""The training subcommands: learn-prompts, fuse-semantics and train-encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from csdn.artifacts.files import SELECTED_ON_TEST, read_tensors, write_csv, write_tensors
from csdn.config.layouts import MODALITIES
from csdn.config.prompts import Prompts
from csdn.console.progress import progress
from csdn.data.captions import training_captions
from csdn.data.image_cache import TrainingImages, open_cache, read_index, training_images
from csdn.errors import UserError
from csdn.jobs.trained_step import trained_step
from csdn.jobs.validation import build_validator
from csdn.models.build import build_network
from csdn.models.clip_backbone import build_tower, load_clip
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.semantic_integration import build_fusion
from csdn.seeding import derive_seed
from csdn.steps.slices import FuseSemantics, LearnPrompts, TrainEncoder
from csdn.study.paths import HISTORY
from csdn.tracking.runs import Tracker
from csdn.training.encoder_stage import Descriptions, permute_descriptions, random_descriptions, train_encoder
from csdn.training.fusion_stage import fuse_all, train_fusion
from csdn.training.prompt_stage import (
    StageOneImages,
    describe_all,
    describe_by_captions,
    description_accuracy,
    learn_prompts,
)
from csdn.training.stage_one_images import count_images, stage_one_images


def run_learn_prompts(
    step: LearnPrompts, index: Path, cache: Path, clip: Path | None, output: Path, captions: Path | None = None
) -> None:
    """Learn the descriptions of every training identity and write prompts.safetensors and history.csv.

    `prompts.kind: caption` learns nothing: it takes the captions in `captions`, the benchmark's annotations.
    """
    settings = step.prompts
    if settings.kind == "caption" and captions is None:
        raise UserError(
            "--captions: missing; prompts.kind is `caption`, so give annotations.parquet of the embedded benchmark"
        )
    inputs = {"index": index, "cache": cache, "clip": clip, "captions": captions}
    with trained_step(step, output, inputs) as context:
        device = context.compute.device
        images = _open_training_images(step, index, cache)
        model = load_clip(step.clip, step.image_size, clip, seed=step.seed)
        tower = TextTower(model)
        stage = _stage_one_images(step, model, images, device)
        if settings.kind == "caption" and captions is not None:
            texts = training_captions(read_index(index), images, captions)
            visible, infrared = (describe_by_captions(tower.to(device), texts[n], device) for n in MODALITIES)
            history = [{"epoch": 0, **description_accuracy(stage, visible, infrared, scale=1.0)}]
            learned = {}
        else:
            rng, generator = _generators(step, "learn_prompts", step.prompt_key)
            bank = _prompt_bank(settings, tower, len(images.person_ids), generator).to(device)
            tower.to(device)  # the bank reads it but does not own it
            with progress("learn-prompts", settings.epochs, "epochs") as advance:
                on_epoch = _logger(context.tracker, "prompts", advance)
                history = learn_prompts(bank, stage, settings, rng, on_epoch, context.checkpoints)
            visible, infrared = describe_all(bank)
            learned = {"contexts": bank.contexts}
        tensors = learned | {"text_visible": visible, "text_infrared": infrared}
        write_csv(output.with_name(HISTORY), pd.DataFrame(history))
        write_tensors(output, tensors | {"person_ids": images.person_ids})


def _prompt_bank(settings: Prompts, tower: TextTower, identities: int, generator: torch.Generator) -> PromptBank:
    return PromptBank(
        tower,
        banks=1 if settings.kind == "shared" else 2,
        identities=identities,
        tokens=settings.tokens,
        template=settings.template,
        generator=generator,
    )


def run_fuse_semantics(
    step: FuseSemantics, index: Path, cache: Path, clip: Path | None, prompts: Path, output: Path
) -> None:
    """Fuse the descriptions and write semantics.safetensors (equal texts after fusion) and history.csv."""
    learned = read_tensors(prompts)
    inputs = {"index": index, "cache": cache, "clip": clip, "prompts": prompts}
    with trained_step(step, output, inputs) as context:
        device = context.compute.device
        visible, infrared = (torch.from_numpy(learned[f"text_{name}"]).to(device) for name in MODALITIES)
        fused: tuple[torch.Tensor, torch.Tensor] = (visible, infrared)
        history: list[dict[str, Any]] = []
        weights: dict[str, torch.Tensor] = {}
        if step.fusion.kind != "none":
            images = _open_training_images(step, index, cache)
            if not np.array_equal(images.person_ids, learned["person_ids"]):
                raise UserError(f"{prompts}: describes other identities than {index} trains; rerun learn-prompts")
            model = load_clip(step.clip, step.image_size, clip, seed=step.seed)
            stage = _stage_one_images(step, model, images, device)
            rng, _ = _generators(step, "fuse_semantics", step.semantics_key)
            dim = visible.shape[1]
            fusion = build_fusion(step.fusion.kind, dim, heads=step.fusion.heads, dropout=step.fusion.dropout).to(
                device
            )
            with progress("fuse-semantics", step.fusion.epochs, "epochs") as advance:
                on_epoch = _logger(context.tracker, "fusion", advance)
                history = train_fusion(
                    fusion, visible, infrared, stage, step.fusion, rng, on_epoch, context.checkpoints
                )
            text = fuse_all(fusion, visible, infrared, dropout=step.fidelity.fusion_mode == "training")
            fused, weights = (text, text), {f"fusion.{name}": value for name, value in fusion.state_dict().items()}
        tensors = {"text_visible": fused[0], "text_infrared": fused[1], "person_ids": learned["person_ids"]}
        write_csv(output.with_name(HISTORY), pd.DataFrame(history, columns=None if history else ["epoch"]))
        write_tensors(output, tensors | weights)


def run_train_encoder(
    step: TrainEncoder, index: Path, cache: Path, clip: Path | None, semantics: Path | None, output: Path
) -> None:
    """Train the encoder (0 epochs: keep CLIP's weights) and write encoder.safetensors and history.csv."""
    wanted = step.encoder.text != "none" and step.encoder.epochs > 0
    if wanted and semantics is None:
        raise UserError("--semantics: missing; encoder.text is not `none`, so give the fused descriptions")
    inputs = {"index": index, "cache": cache, "clip": clip, "semantics": semantics if wanted else None}
    with trained_step(step, output, inputs, step.encoder.precision) as context:
        device = context.compute.device
        images = _open_training_images(step, index, cache)
        rng, generator = _generators(step, "train_encoder")
        network = build_network(step, clip, len(images.person_ids), generator).to(device)
        network = network.to(memory_format=torch.channels_last).requires_grad_(True)
        if step.runtime.compile:
            network.compile()  # in place: names of parameters stay
        descriptions = _descriptions(step, semantics, images, device) if wanted and semantics else None
        with progress("train-encoder", step.encoder.epochs, "epochs") as advance:
            history = train_encoder(
                network,
                images,
                descriptions,
                step.encoder,
                step.fidelity,
                rng,
                device,
                _logger(context.tracker, "encoder", advance),
                build_validator(step, index, cache, device),
                context.checkpoints,
            )
        write_csv(output.with_name(HISTORY), pd.DataFrame(history, columns=None if history else ["epoch"]))
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        label = SELECTED_ON_TEST if step.encoder.selection == "best_on_test" else None
        write_tensors(output, state | {"person_ids": images.person_ids}, label)


def _logger(tracker: Tracker, prefix: str, advance: Callable[[int], None]) -> Callable[[dict[str, Any]], None]:
    def on_epoch(row: dict[str, Any]) -> None:
        values = {f"{prefix}/{k}": float(v) for k, v in row.items() if k not in ("epoch", "step")}
        tracker.metrics(values, step=int(row["epoch"]))
        advance(1)

    return on_epoch


def _open_training_images(step: Any, index: Path, cache: Path) -> TrainingImages:
    frame = read_index(index)
    return training_images(frame, open_cache(cache, len(frame), frame["path"]), step.split, step.train_subsets)


def _generators(step: Any, *names: str) -> tuple[np.random.Generator, torch.Generator]:
    """Random streams of this step, the same for every variant: what differs is then the variant's doing."""
    seed = derive_seed(step.seed, *names, step.dataset, step.split)
    torch.manual_seed(seed)  # dropout draws from the global generator
    return np.random.default_rng(seed), torch.Generator().manual_seed(seed)


def _stage_one_images(
    step: LearnPrompts | FuseSemantics, model: Any, images: TrainingImages, device: torch.device
) -> StageOneImages:
    """Project the training images with the frozen network."""
    backbone = build_tower(model, inner_relu=step.fidelity.stem == "clip").to(device)
    rng = np.random.default_rng(derive_seed(step.seed, "stage_one_images", step.step, step.dataset, step.split))
    with progress("image features", count_images(images, step.fidelity), "images") as advance:
        return stage_one_images(backbone, images, step.fidelity, rng, device, advance)


def _descriptions(step: TrainEncoder, semantics: Path, images: TrainingImages, device: torch.device) -> Descriptions:
    tensors = read_tensors(semantics)
    if not np.array_equal(images.person_ids, tensors["person_ids"]):
        raise UserError(f"{semantics}: describes other identities than this split trains; rerun fuse-semantics")
    texts = Descriptions(*(torch.from_numpy(tensors[f"text_{name}"]).to(device) for name in MODALITIES))
    if step.encoder.text == "permuted":
        texts = permute_descriptions(texts, np.random.default_rng(derive_seed(step.seed, "permute", step.split)))
    if step.encoder.text == "random":
        texts = random_descriptions(texts, np.random.default_rng(derive_seed(step.seed, "random", step.split)))
    return texts
