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
from csdn.console.progress import progress
from csdn.data.captions import training_captions
from csdn.data.image_cache import TrainingImages, open_images, training_images
from csdn.errors import UserError
from csdn.jobs.descriptions import DescriptionProbe
from csdn.jobs.trained_step import TrainingContext, trained_step
from csdn.jobs.unpacking import encoder_arguments, stage_one_optimization, starting_clip
from csdn.jobs.validation import build_validation
from csdn.models.build import build_network
from csdn.models.clip_backbone import build_tower
from csdn.models.prompts import PromptBank, TextTower, template_tokens
from csdn.models.semantic_integration import build_fusion
from csdn.models.small_clip import check_words
from csdn.seeding import derive_seed
from csdn.steps.training import FuseSemantics, LearnPrompts, TrainEncoder
from csdn.study.paths import HISTORY
from csdn.tracking.runs import Tracker
from csdn.training.encoder_stage import Descriptions, permute_descriptions, random_descriptions, train_encoder
from csdn.training.fusion_stage import fuse_all, train_fusion
from csdn.training.prompt_stage import (
    StageOneImages,
    describe_all,
    describe_by_captions,
    describe_by_centroids,
    description_accuracy,
    description_cosine,
    learn_prompts,
)
from csdn.training.resumable import History
from csdn.training.stage_one_images import count_images, stage_one_images


def run_learn_prompts(
    settings: LearnPrompts, index: Path, cache: Path, clip: Path | None, output: Path, captions: Path | None = None
) -> None:
    """Learn the descriptions of every training identity and write prompts.safetensors and history.csv.

    Two kinds of prompts learn nothing: `caption` takes the captions in `captions`, the benchmark's annotations, and
    `centroid` the means of image features.
    """
    prompts = settings.prompts
    if prompts.kind == "caption" and captions is None:
        raise UserError(
            "--captions: missing; prompts.kind is `caption`, so give annotations.parquet of the embedded benchmark"
        )
    inputs = {"index": index, "cache": cache, "clip": clip, "captions": captions}
    with trained_step(settings, output, inputs) as context:
        device = context.compute.device
        frame, pixels = open_images(index, cache, settings.scratch)
        images = training_images(frame, pixels, settings.split, settings.train_subsets)
        model = starting_clip(settings, clip)
        tower = TextTower(model)
        stage = _stage_one_images(settings, model, images, device)
        learned: dict[str, torch.Tensor] = {}
        history: History = []
        if prompts.learned:
            bank, history = _learned_bank(settings, tower, stage, len(images.person_ids), context)
            visible, infrared = describe_all(bank)
            learned = {"contexts": bank.contexts}
        elif prompts.kind == "caption" and captions is not None:
            texts = training_captions(frame, images, captions)
            visible, infrared = (describe_by_captions(tower.to(device), texts[n], device) for n in MODALITIES)
        else:
            visible, infrared = _centroids(stage, images, index)
        if not prompts.learned:
            row = description_accuracy(stage, visible, infrared, scale=1.0)
            history = [{"epoch": 0, **row, "description_cosine": description_cosine(visible, infrared)}]
        tensors = learned | {"text_visible": visible, "text_infrared": infrared}
        write_csv(output.with_name(HISTORY), pd.DataFrame(history))
        write_tensors(output, tensors | {"person_ids": images.person_ids})


def _learned_bank(
    settings: LearnPrompts, tower: TextTower, stage: StageOneImages, identities: int, context: TrainingContext
) -> tuple[PromptBank, History]:
    """Prompts after their training, with its history."""
    prompts, device = settings.prompts, context.compute.device
    words = template_tokens(prompts.template, prompts.tokens, tower.context_length)
    check_words(torch.cat(words), tower.token_embedding, "prompts.template")
    rng, generator = _generators(settings, "learn_prompts", settings.prompt_key)
    bank = PromptBank(tower, **prompts.of_bank(), identities=identities, generator=generator).to(device)
    tower.to(device)  # the bank reads it but does not own it
    with progress("learn-prompts", prompts.epochs, "epochs") as advance:
        on_epoch = _logger(context.tracker, "prompts", advance)
        given = (bank, stage, stage_one_optimization(prompts), rng, on_epoch, context.checkpoints)
        fixed = settings.fidelity.stage_one_pairs == "fixed"
        return bank, learn_prompts(*given, own_modality=prompts.own_modality, fixed_pairs=fixed)


def _centroids(stage: StageOneImages, images: TrainingImages, index: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """The mean features of every identity, which must have some in both modalities."""
    everyone = np.arange(len(images.person_ids))
    for modality, labels in zip(MODALITIES, (stage.visible_labels, stage.infrared_labels), strict=True):
        without = images.person_ids[np.setdiff1d(everyone, labels)]
        if len(without):
            raise UserError(
                f"{index}: stage 1 has no {modality} image of person {without[0]}, so there is no centroid "
                "(prompts.kind); complete the images, or set fidelity.stage_one_images to all"
            )
    return describe_by_centroids(stage, len(everyone))


def run_fuse_semantics(
    settings: FuseSemantics, index: Path, cache: Path, clip: Path | None, prompts: Path, output: Path
) -> None:
    """Fuse the descriptions and write semantics.safetensors (equal texts after fusion) and history.csv."""
    learned = read_tensors(prompts)
    inputs = {"index": index, "cache": cache, "clip": clip, "prompts": prompts}
    with trained_step(settings, output, inputs) as context:
        device = context.compute.device
        visible, infrared = (torch.from_numpy(learned[f"text_{name}"]).to(device) for name in MODALITIES)
        fused: tuple[torch.Tensor, torch.Tensor] = (visible, infrared)
        history: list[dict[str, Any]] = []
        weights: dict[str, torch.Tensor] = {}
        if settings.fusion.kind != "none":
            frame, pixels = open_images(index, cache, settings.scratch)
            images = training_images(frame, pixels, settings.split, settings.train_subsets)
            if not np.array_equal(images.person_ids, learned["person_ids"]):
                raise UserError(f"{prompts}: describes other identities than {index} trains; rerun learn-prompts")
            model = starting_clip(settings, clip)
            stage = _stage_one_images(settings, model, images, device)
            rng, _ = _generators(settings, "fuse_semantics", settings.semantics_key)
            own, dim = settings.fusion, visible.shape[1]
            fusion = build_fusion(own.kind, dim, heads=own.heads, dropout=own.dropout).to(device)
            with progress("fuse-semantics", own.epochs, "epochs") as advance:
                on_epoch = _logger(context.tracker, "fusion", advance)
                given = (fusion, visible, infrared, stage, stage_one_optimization(own))
                history = train_fusion(*given, rng, on_epoch, context.checkpoints)
            text = fuse_all(fusion, visible, infrared, dropout=settings.fidelity.fusion_mode == "training")
            fused, weights = (text, text), {f"fusion.{name}": value for name, value in fusion.state_dict().items()}
        tensors = {"text_visible": fused[0], "text_infrared": fused[1], "person_ids": learned["person_ids"]}
        write_csv(output.with_name(HISTORY), pd.DataFrame(history, columns=None if history else ["epoch"]))
        write_tensors(output, tensors | weights)


def run_train_encoder(
    settings: TrainEncoder, index: Path, cache: Path, clip: Path | None, semantics: Path | None, output: Path
) -> None:
    """Train the encoder (0 epochs: keep CLIP's weights) and write encoder.safetensors and history.csv."""
    wanted = settings.encoder.text != "none" and settings.encoder.epochs > 0
    if wanted and semantics is None:
        raise UserError("--semantics: missing; encoder.text is not `none`, so give the fused descriptions")
    inputs = {"index": index, "cache": cache, "clip": clip, "semantics": semantics if wanted else None}
    with trained_step(settings, output, inputs, settings.encoder.precision) as context:
        device = context.compute.device
        frame, pixels = open_images(index, cache, settings.scratch)
        images = training_images(frame, pixels, settings.split, settings.train_subsets)
        rng, generator = _generators(settings, "train_encoder")
        start, count = starting_clip(settings, clip), len(images.person_ids)
        network = build_network(start, identities=count, generator=generator, **settings.of_network()).to(device)
        network = network.to(memory_format=torch.channels_last).requires_grad_(True)
        if settings.runtime.compile:
            network.compile()  # in place: names of parameters stay
        descriptions = _descriptions(settings, semantics, images, device) if wanted and semantics else None
        probe = DescriptionProbe(settings, images, descriptions, device) if descriptions else None
        before = probe.nearest(network) if probe else {}
        with progress("train-encoder", settings.encoder.epochs, "epochs") as advance:
            on_epoch = _logger(context.tracker, "encoder", advance)
            validation = build_validation(settings, frame, pixels, device)
            given = (network, images, descriptions, *encoder_arguments(settings.encoder, settings.fidelity))
            history = train_encoder(*given, rng, device, on_epoch, validation, context.checkpoints)
        if probe:
            said = probe.columns(before, probe.nearest(network))
            history[-1] |= said
            context.tracker.metrics({f"encoder/{name}": value for name, value in said.items()}, len(history) - 1)
        write_csv(output.with_name(HISTORY), pd.DataFrame(history, columns=None if history else ["epoch"]))
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        label = SELECTED_ON_TEST if settings.encoder.selection == "best_on_test" else None
        write_tensors(output, state | {"person_ids": images.person_ids}, label)


def _logger(tracker: Tracker, prefix: str, advance: Callable[[int], None]) -> Callable[[dict[str, Any]], None]:
    def on_epoch(row: dict[str, Any]) -> None:
        values = {f"{prefix}/{k}": float(v) for k, v in row.items() if k not in ("epoch", "step")}
        tracker.metrics(values, step=int(row["epoch"]))
        advance(1)

    return on_epoch


def _generators(
    settings: LearnPrompts | FuseSemantics | TrainEncoder, *names: str
) -> tuple[np.random.Generator, torch.Generator]:
    """Random streams of this step, the same for every variant: what differs is then the variant's doing."""
    seed = derive_seed(settings.seed, *names, settings.dataset, settings.split)
    torch.manual_seed(seed)  # dropout draws from the global generator
    return np.random.default_rng(seed), torch.Generator().manual_seed(seed)


def _stage_one_images(
    settings: LearnPrompts | FuseSemantics, model: Any, images: TrainingImages, device: torch.device
) -> StageOneImages:
    """Project the training images with the frozen network."""
    backbone = build_tower(model, inner_relu=settings.fidelity.stem == "clip").to(device)
    seed = derive_seed(settings.seed, "stage_one_images", settings.step, settings.dataset, settings.split)
    fidelity, given = settings.fidelity, (backbone, images, np.random.default_rng(seed), device)
    sampled, training = fidelity.stage_one_images == "sampler", fidelity.fusion_mode == "training"
    how: dict[str, Any] = {"training": training, "normalization": fidelity.normalization}
    with progress("image features", count_images(images, sampled=sampled), "images") as advance:
        return stage_one_images(*given, advance, sampled=sampled, **how)


def _descriptions(settings: TrainEncoder, path: Path, images: TrainingImages, device: torch.device) -> Descriptions:
    tensors = read_tensors(path)
    if not np.array_equal(images.person_ids, tensors["person_ids"]):
        raise UserError(f"{path}: describes other identities than this split trains; rerun fuse-semantics")
    texts = Descriptions(*(torch.from_numpy(tensors[f"text_{name}"]).to(device) for name in MODALITIES))
    controls = {"permuted": (permute_descriptions, "permute"), "random": (random_descriptions, "random")}
    if settings.encoder.text in controls:
        change, name = controls[settings.encoder.text]
        texts = change(texts, np.random.default_rng(derive_seed(settings.seed, name, settings.split)))
    return texts
