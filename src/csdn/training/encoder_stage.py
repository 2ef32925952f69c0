"""Stage 2: train the visual encoder with identity, metric and semantic losses (CSDN III-D, docs/method.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.data.image_cache import TrainingImages
from csdn.data.sampling import batches_in_epoch
from csdn.losses import (
    cosine_regression_loss,
    identity_loss,
    modality_shared_enhancement_loss,
    mse_regression_loss,
    semantic_contrastive_loss,
    semantic_embedding_loss,
    text_triplet_loss,
    weighted_regularization_triplet_loss,
)
from csdn.losses.distances import single
from csdn.models.device import autocast, products_in
from csdn.models.reid_network import Features, ReIDNetwork
from csdn.training.batches import Batch, augmented_batches, build_augmenter
from csdn.training.checkpoint import Checkpoints
from csdn.training.optimizers import clip_gradients
from csdn.training.resumable import History, OnEpoch, TrainingRun
from csdn.training.schedules import encoder_learning_rate

Validate = Callable[[ReIDNetwork], dict[str, float]]
SELECTED_BY = {"best_on_validation": "validation_map", "best_on_test": "test_rank_1"}
"""The value of `Validate` by which the epoch to keep is chosen."""


@dataclass(frozen=True)
class Descriptions:
    """Constant text features of all training identities, (identities, embed) for each modality."""

    visible: torch.Tensor
    infrared: torch.Tensor


def train_encoder(
    network: ReIDNetwork,
    images: TrainingImages,
    descriptions: Descriptions | None,
    settings: Encoder,
    fidelity: Fidelity,
    rng: np.random.Generator,
    device: torch.device,
    on_epoch: OnEpoch,
    validate: Validate | None = None,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train `network` in place.

    Args:
        descriptions: None trains without the semantic loss (baseline).
        validate: called every `settings.validate_every` epochs and after the last; its values join the history.
        checkpoints: saves the training and continues it; None saves nothing.

    Returns:
        One row per epoch: epoch, step, learning rate, mean of each loss term, seconds, validation values.

    Raises:
        NotFiniteError: a loss is not finite; the message gives step, term and learning rate.
    """
    optimizer = build_optimizer(network, settings, fidelity)
    augmenter = build_augmenter(settings, fidelity)
    per_batch = settings.identities * settings.images
    steps = batches_in_epoch(len(images.visible), len(images.infrared), per_batch)
    selected_by = SELECTED_BY.get(settings.selection)
    run = TrainingRun({"network": network}, optimizer, rng, on_epoch, checkpoints)
    for epoch in run.epochs(settings.epochs):
        network.train()
        for step, batch in run.remaining(augmented_batches(images, settings, augmenter, rng, device)):
            rate = encoder_learning_rate(
                epoch + step / steps,
                settings.epochs,
                settings.learning_rate,
                settings.schedule,
                warmup=settings.warmup_epochs,
                milestones=settings.milestones,
            )
            run.set_learning_rate(rate)
            optimize(network, batch, descriptions, settings, fidelity, optimizer, device, run.record)
        row: dict[str, Any] = {"epoch": epoch, "step": run.total, "learning_rate": run.learning_rate}
        row |= {name: sum(values) / steps for name, values in run.terms.items()} | {"seconds": run.seconds}
        if validate and _is_due(epoch, settings):
            row |= validate(network)
            if selected_by and (run.best is None or row[selected_by] > run.best[0]):
                run.best = row[selected_by], {key: value.clone() for key, value in network.state_dict().items()}
        run.end_epoch(row)
    if run.best:
        network.load_state_dict(run.best[1])
    return run.history


def optimize(
    network: ReIDNetwork,
    batch: Batch,
    descriptions: Descriptions | None,
    settings: Encoder,
    fidelity: Fidelity,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    record: Callable[[Mapping[str, torch.Tensor]], None],
) -> None:
    """One optimiser step; `record` is called before it with each loss term and their weighted sum `loss`."""
    batch = Batch(*(part.to(device, non_blocking=True) for part in batch))
    with products_in(settings.precision):
        with autocast(device, settings.precision):
            features = network(batch.visible, batch.infrared)
        terms = loss_terms(network, features, batch.labels, descriptions, settings, fidelity)
        weights = settings.weights.model_dump()
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
    clip_gradients(optimizer, settings.gradient_clip)
    record({name: value.detach() for name, value in {**terms, "loss": loss}.items()})
    optimizer.step()


def loss_terms(
    network: ReIDNetwork,
    features: Features,
    labels: torch.Tensor,
    descriptions: Descriptions | None,
    settings: Encoder,
    fidelity: Fidelity,
) -> dict[str, torch.Tensor]:
    """The unweighted terms of docs/method.md's loss; identity, MSEL and WRT are summed over both features.

    Terms of weight 0 are absent, except for the identity loss.

    Args:
        features: of first visible views, second visible views and infrared images, (3 B, ...).
        labels: (B,), the same for each third.
    """
    count = len(labels)
    everyone = labels.repeat(3)
    both = [single(feature) for feature in features]
    smoothing, floor = settings.label_smoothing, fidelity.triplet_denominator_floor
    unit = settings.metric_features == "unit"
    weights = settings.weights
    # Computed even with weight 0, because the necks of the descriptor get their statistics here.
    heads = network.classify(Features(*both))
    terms = {"identity": _total(identity_loss(logits, everyone, label_smoothing=smoothing) for logits in heads)}
    if weights.modality_shared:
        terms["modality_shared"] = _total(
            modality_shared_enhancement_loss(feature[:count], feature[2 * count :], labels, normalize=unit)
            for feature in both
        )
    if weights.triplet:
        terms["triplet"] = _total(
            weighted_regularization_triplet_loss(feature, everyone, normalize=unit, denominator_floor=floor)
            for feature in both
        )
    if descriptions is not None and weights.semantic_visible:
        terms["semantic_visible"] = semantic_term(both[1][:count], descriptions.visible, labels, settings)
    if descriptions is not None and weights.semantic_infrared:
        terms["semantic_infrared"] = semantic_term(both[1][2 * count :], descriptions.infrared, labels, settings)
    return terms


def semantic_term(
    projected: torch.Tensor, texts: torch.Tensor, labels: torch.Tensor, settings: Encoder
) -> torch.Tensor:
    """The loss of `settings.semantic_loss` that pulls one modality's features (B, embed) to its descriptions."""
    scale = settings.semantic_scale if settings.semantic_logits == "cosine" else None
    match settings.semantic_loss:
        case "cross_entropy":
            return semantic_embedding_loss(projected, texts, labels, scale=scale)
        case "supervised_contrastive":
            return semantic_contrastive_loss(projected, texts, labels, scale=scale)
        case "cosine_regression":
            return cosine_regression_loss(projected, texts, labels)
        case "mse_regression":
            return mse_regression_loss(projected, texts, labels)
        case "triplet_to_text":
            return text_triplet_loss(projected, texts, labels, margin=settings.semantic_margin)


def build_optimizer(network: ReIDNetwork, settings: Encoder, fidelity: Fidelity) -> torch.optim.Optimizer:
    """Adam with a higher rate for the classifiers and no decay on BN, biases and the pooling exponent.

    `fidelity.decay_everything` restores the authors' groups: the higher rate on whole heads, decay on everything.
    """
    heads = {"pooled_head", "projected_head"} | ({"pooling"} if fidelity.decay_everything else set())
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        top = name.split(".")[0]
        fast = top in heads and (fidelity.decay_everything or name.endswith("_head.weight"))
        decayed = fidelity.decay_everything or parameter.ndim > 1
        groups.setdefault((fast, decayed), []).append(parameter)
    factor, decay = settings.head_learning_rate_factor, settings.weight_decay
    described = [
        {"params": parameters, "factor": factor if fast else 1.0, "weight_decay": decay if decayed else 0.0}
        for (fast, decayed), parameters in groups.items()
    ]
    return torch.optim.Adam(described, lr=settings.learning_rate, fused=True)


def permute_descriptions(descriptions: Descriptions, rng: np.random.Generator) -> Descriptions:
    """The control: every identity gets another identity's description, the same one in both modalities.

    Each identity gets the description of the next one in a random cyclic order, so that none keeps its own.
    """
    count = len(descriptions.visible)
    order = torch.from_numpy(rng.permutation(count))
    source = torch.empty(count, dtype=torch.long)
    source[order] = order.roll(-1)
    return Descriptions(descriptions.visible[source], descriptions.infrared[source])


def random_descriptions(descriptions: Descriptions, rng: np.random.Generator) -> Descriptions:
    """The control: every identity gets a random direction, one for both modalities, as long as its own description."""
    drawn = torch.from_numpy(rng.standard_normal(descriptions.visible.shape))
    directions = torch.nn.functional.normalize(drawn, dim=1).to(descriptions.visible)
    visible, infrared = (texts.norm(dim=1, keepdim=True) for texts in (descriptions.visible, descriptions.infrared))
    return Descriptions(visible * directions, infrared * directions)


def _total(values: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(values)).sum()


def _is_due(epoch: int, settings: Encoder) -> bool:
    last = epoch + 1 == settings.epochs
    return last or bool(settings.validate_every and (epoch + 1) % settings.validate_every == 0)
