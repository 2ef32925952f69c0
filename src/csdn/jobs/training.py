"""The training subcommands: learn-prompts, fuse-semantics and train-encoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from csdn.artifacts import read_tensors, write_csv, write_tensors
from csdn.data.image_cache import TrainingImages, open_cache, read_index, subset_rows, training_images
from csdn.errors import UserError
from csdn.evaluation.embedding import embed_images, project_images
from csdn.evaluation.ranking import retrieval_metrics
from csdn.jobs.trained_step import trained_step
from csdn.models.clip_backbone import build_tower, load_clip
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import ReIDNetwork
from csdn.models.semantic_integration import build_fusion
from csdn.progress import progress
from csdn.seeding import derive_seed
from csdn.slices import FuseSemantics, LearnPrompts, Trained, TrainEncoder
from csdn.tracking import Tracker
from csdn.training.encoder_stage import Descriptions, permute_descriptions, train_encoder
from csdn.training.fusion_stage import fuse_all, train_fusion
from csdn.training.prompt_stage import StageOneImages, describe_all, learn_prompts

EMBED_BATCH = 256


def run_learn_prompts(step: LearnPrompts, index: Path, cache: Path, clip: Path | None, output: Path) -> None:
    """Learn the descriptions of every training identity and write prompts.safetensors and history.csv."""
    settings = step.prompts
    with trained_step(step, output, {"index": index, "cache": cache, "clip": clip}) as context:
        images = _open_training_images(step, index, cache)
        model = load_clip(step.clip, step.image_size, clip, seed=step.seed)
        stage = _stage_one_images(step, model, images, context.device)
        rng, generator = _generators(step, "learn_prompts", step.prompt_key)
        bank = PromptBank(
            TextTower(model),
            banks=1 if settings.kind == "shared" else 2,
            identities=len(images.person_ids),
            tokens=settings.tokens,
            template=settings.template,
            generator=generator,
        ).to(context.device)
        with progress("learn-prompts", settings.epochs, "epochs") as advance:
            on_epoch = _logger(context.tracker, "prompts", advance)
            history = learn_prompts(bank, stage, settings, rng, on_epoch, context.checkpoints)
        visible, infrared = describe_all(bank)
        tensors = {"contexts": bank.contexts, "text_visible": visible, "text_infrared": infrared}
        write_csv(output.with_name("history.csv"), pd.DataFrame(history))
        write_tensors(output, tensors | {"person_ids": images.person_ids})


def run_fuse_semantics(
    step: FuseSemantics, index: Path, cache: Path, clip: Path | None, prompts: Path, output: Path
) -> None:
    """Fuse the descriptions and write semantics.safetensors (equal texts after fusion) and history.csv."""
    learned = read_tensors(prompts)
    inputs = {"index": index, "cache": cache, "clip": clip, "prompts": prompts}
    with trained_step(step, output, inputs) as context:
        device = context.device
        visible, infrared = (torch.from_numpy(learned[f"text_{name}"]).to(device) for name in ("visible", "infrared"))
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
            text = fuse_all(fusion, visible, infrared)
            fused, weights = (text, text), {f"fusion.{name}": value for name, value in fusion.state_dict().items()}
        tensors = {"text_visible": fused[0], "text_infrared": fused[1], "person_ids": learned["person_ids"]}
        write_csv(output.with_name("history.csv"), pd.DataFrame(history, columns=None if history else ["epoch"]))
        write_tensors(output, tensors | weights)


def run_train_encoder(
    step: TrainEncoder, index: Path, cache: Path, clip: Path | None, semantics: Path | None, output: Path
) -> None:
    """Train the encoder (0 epochs: keep CLIP's weights) and write encoder.safetensors and history.csv."""
    wanted = step.encoder.text != "none" and step.encoder.epochs > 0
    if wanted and semantics is None:
        raise UserError("--semantics: missing; encoder.text is not `none`, so give the fused descriptions")
    inputs = {"index": index, "cache": cache, "clip": clip, "semantics": semantics if wanted else None}
    with trained_step(step, output, inputs) as context:
        device = context.device
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
                _validator(step, index, cache, device),
                context.checkpoints,
            )
        write_csv(output.with_name("history.csv"), pd.DataFrame(history, columns=None if history else ["epoch"]))
        state = {name: value.contiguous() for name, value in network.state_dict().items()}
        write_tensors(output, state | {"person_ids": images.person_ids})


def build_network(
    step: Any, clip: Path | None, identities: int, generator: torch.Generator, *, pretrained: bool = True
) -> ReIDNetwork:
    """The re-ID network of a slice (`train_encoder` or `embed_images`) on its CLIP.

    Args:
        clip: weights of the small CLIP, where `step.clip` asks for them.
        pretrained: False starts from random weights, which are to be replaced; CLIP's file is then not needed.
    """
    chosen = step.clip if pretrained else step.clip.model_copy(update={"weights": "random"})
    model = load_clip(chosen, step.image_size, clip, seed=step.seed)
    backbone = build_tower(model, inner_relu=step.fidelity.stem == "clip")
    return ReIDNetwork(
        backbone,
        identities=identities,
        classifier_scale=step.encoder.classifier_scale if step.encoder.classifier == "cosine" else None,
        descriptor=step.encoder.descriptor,
        generator=generator,
    )


def _logger(tracker: Tracker, prefix: str, advance: Callable[[int], None]) -> Callable[[dict[str, Any]], None]:
    def on_epoch(row: dict[str, Any]) -> None:
        values = {f"{prefix}/{k}": float(v) for k, v in row.items() if k not in ("epoch", "step")}
        tracker.metrics(values, step=int(row["epoch"]))
        advance(1)

    return on_epoch


def _open_training_images(step: Any, index: Path, cache: Path) -> TrainingImages:
    frame = read_index(index)
    return training_images(frame, open_cache(cache, len(frame)), step.split, step.train_subsets)


def _generators(step: Any, *names: str) -> tuple[np.random.Generator, torch.Generator]:
    """Random streams of this step, the same for every variant: what differs is then the variant's doing."""
    seed = derive_seed(step.seed, *names, step.dataset, step.split)
    torch.manual_seed(seed)  # dropout draws from the global generator
    return np.random.default_rng(seed), torch.Generator().manual_seed(seed)


def _stage_one_images(step: Trained, model: Any, images: TrainingImages, device: torch.device) -> StageOneImages:
    """Project every training image once with the frozen network in evaluation mode."""
    fidelity = step.fidelity  # type: ignore[attr-defined]
    backbone = build_tower(model, inner_relu=fidelity.stem == "clip").to(device)
    rows = np.concatenate([images.visible.rows, images.infrared.rows])
    infrared = np.arange(len(rows)) >= len(images.visible)
    with progress("image features", len(rows), "images") as advance:
        features = project_images(
            backbone,
            images.visible.cache,
            rows,
            infrared,
            batch=EMBED_BATCH,
            normalization=fidelity.normalization,
            device=device,
            progress=advance,
        )
    both = torch.from_numpy(features).to(device)
    visible, thermal = both[: len(images.visible)], both[len(images.visible) :]
    return StageOneImages(visible, images.visible.labels, thermal, images.infrared.labels)


def _descriptions(step: TrainEncoder, semantics: Path, images: TrainingImages, device: torch.device) -> Descriptions:
    tensors = read_tensors(semantics)
    if not np.array_equal(images.person_ids, tensors["person_ids"]):
        raise UserError(f"{semantics}: describes other identities than this split trains; rerun fuse-semantics")
    texts = Descriptions(*(torch.from_numpy(tensors[f"text_{name}"]).to(device) for name in ("visible", "infrared")))
    if step.encoder.text == "permuted":
        texts = permute_descriptions(texts, np.random.default_rng(derive_seed(step.seed, "permute", step.split)))
    return texts


def _validator(step: TrainEncoder, index: Path, cache: Path, device: torch.device) -> Any:
    """Rank-1 and mAP of infrared queries among all visible images of the validation identities, or None without any."""
    frame = read_index(index)
    rows = subset_rows(frame, step.split, ["val"]) if "val" not in step.train_subsets else np.empty(0, dtype=int)
    if not len(rows):
        if step.encoder.selection == "best_on_validation":
            raise UserError(
                "encoder.selection: best_on_validation needs validation identities; set train_subsets: [train]"
            )
        return None
    pixels = open_cache(cache, len(frame))
    infrared = (frame["modality"].to_numpy() == "infrared")[rows]
    persons = frame["person_id"].to_numpy()[rows]

    def validate(network: ReIDNetwork) -> dict[str, float]:
        features = embed_images(
            network,
            pixels,
            rows,
            infrared,
            batch=EMBED_BATCH,
            flip=True,
            normalization=step.fidelity.normalization,
            device=device,
        )
        similarity = features[infrared] @ features[~infrared].T
        result = retrieval_metrics(similarity, persons[infrared], persons[~infrared], cmc="image")
        return {"validation_rank_1": float(result.cmc[0]), "validation_map": float(result.mean_average_precision)}

    return validate
