"""Stage 2: train the visual encoder with identity, metric and semantic losses (CSDN III-D, docs/method.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

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
from csdn.losses.distances import mean_distance, single
from csdn.models.device import autocast, products_in
from csdn.models.reid_network import Features, ReIDNetwork
from csdn.training.batches import Batch, Batching, augmented_batches
from csdn.training.checkpoint import Checkpoints
from csdn.training.optimizers import clip_gradients
from csdn.training.resumable import History, OnEpoch, TrainingRun
from csdn.training.schedules import encoder_learning_rate


class Validation(NamedTuple):
    """What is measured every so many epochs and after the last, and the value by which the best epoch is kept.

    With `every` 0 nothing is measured before the end, and with `selected_by` None the last epoch is kept.
    """

    measure: Callable[[ReIDNetwork], dict[str, float]]
    every: int
    selected_by: str | None

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether it follows `epoch`, counted from 0."""
        return epoch + 1 == epochs or bool(self.every and (epoch + 1) % self.every == 0)


@dataclass(frozen=True)
class EncoderLoss:
    """What stage 2 minimises (docs/method.md).

    Attributes:
        weights: of each term, by its name; a term of weight 0 is not computed.
        metric_features: `raw` or `unit`: what the triplet and modality-shared losses compare.
        semantic_loss: how features are pulled to descriptions; semantic_scale: of cosine logits, None for dot products.
    """

    weights: Mapping[str, float]
    label_smoothing: float
    metric_features: str
    triplet_denominator_floor: float
    semantic_loss: str
    semantic_scale: float | None
    semantic_margin: float


@dataclass(frozen=True)
class EncoderOptimization:
    """How stage 2 makes its steps: Adam's groups, learning rates by epoch, and the precision of matrix products."""

    epochs: int
    learning_rate: float
    head_learning_rate_factor: float
    weight_decay: float
    decay_everything: bool
    schedule: str
    warmup_epochs: float
    milestones: Sequence[int]
    gradient_clip: float | None
    precision: str

    def rate(self, epoch: float) -> float:
        """Learning rate at a moment, in epochs from the start."""
        given = (epoch, self.epochs, self.learning_rate, self.schedule)
        return encoder_learning_rate(*given, warmup=self.warmup_epochs, milestones=self.milestones)


@dataclass(frozen=True)
class Descriptions:
    """Constant text features of all training identities, (identities, embed) for each modality."""

    visible: torch.Tensor
    infrared: torch.Tensor


def train_encoder(
    network: ReIDNetwork,
    images: TrainingImages,
    descriptions: Descriptions | None,
    batching: Batching,
    loss: EncoderLoss,
    optimization: EncoderOptimization,
    rng: np.random.Generator,
    device: torch.device,
    on_epoch: OnEpoch,
    validation: Validation | None = None,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train `network` in place.

    Args:
        descriptions: None trains without the semantic loss (baseline).
        validation: its values join the history.
        checkpoints: saves the training and continues it; None saves nothing.

    Returns:
        One row per epoch: epoch, step, learning rate, mean of each loss term and of the distances between raw features,
        seconds, validation values.

    Raises:
        NotFiniteError: a loss is not finite; the message gives step, term and learning rate.
    """
    optimizer = build_optimizer(network, optimization)
    per_batch, epochs = batching.identities * batching.images, optimization.epochs
    steps = batches_in_epoch(len(images.visible), len(images.infrared), per_batch)
    run = TrainingRun({"network": network}, optimizer, rng, on_epoch, checkpoints)
    for epoch in run.epochs(epochs):
        network.train()
        for step, batch in run.remaining(augmented_batches(images, batching, rng, device)):
            run.set_learning_rate(optimization.rate(epoch + step / steps))
            optimize(network, batch, descriptions, loss, optimization, optimizer, device, run.record)
        row: dict[str, Any] = {"epoch": epoch, "step": run.total, "learning_rate": run.learning_rate}
        row |= {name: sum(values) / steps for name, values in run.terms.items()} | {"seconds": run.seconds}
        if validation and validation.is_due(epoch, epochs):
            by, row = validation.selected_by, row | validation.measure(network)
            if by and (run.best is None or row[by] > run.best[0]):
                run.best = row[by], {key: value.clone() for key, value in network.state_dict().items()}
        run.end_epoch(row)
    if run.best:
        network.load_state_dict(run.best[1])
    return run.history


def optimize(
    network: ReIDNetwork,
    batch: Batch,
    descriptions: Descriptions | None,
    loss: EncoderLoss,
    optimization: EncoderOptimization,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    record: Callable[[Mapping[str, torch.Tensor]], None],
) -> None:
    """One optimiser step; `record` is called before it with each loss term and their weighted sum `loss`.

    And with the mean distance between raw features of each kind, because a floor (`triplet_denominator_floor`) makes
    WRT another loss where distances are large.
    """
    batch = Batch(*(part.to(device, non_blocking=True) for part in batch))
    with products_in(optimization.precision):
        with autocast(device, optimization.precision):
            features = network(batch.visible, batch.infrared)
        terms = loss_terms(network, features, batch.labels, descriptions, loss)
        total = torch.stack([loss.weights[name] * value for name, value in terms.items()]).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
    clip_gradients(optimizer, optimization.gradient_clip)
    scales = {f"distance_{name}": mean_distance(value) for name, value in features._asdict().items()}
    record({name: value.detach() for name, value in {**terms, "loss": total}.items()} | scales)
    optimizer.step()


def loss_terms(
    network: ReIDNetwork,
    features: Features,
    labels: torch.Tensor,
    descriptions: Descriptions | None,
    loss: EncoderLoss,
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
    smoothing, floor = loss.label_smoothing, loss.triplet_denominator_floor
    unit, weights = loss.metric_features == "unit", loss.weights
    # Computed even with weight 0, because the necks of the descriptor get their statistics here.
    heads = network.classify(Features(*both))
    terms = {"identity": _total(identity_loss(logits, everyone, label_smoothing=smoothing) for logits in heads)}
    if weights["modality_shared"]:
        terms["modality_shared"] = _total(
            modality_shared_enhancement_loss(feature[:count], feature[2 * count :], labels, normalize=unit)
            for feature in both
        )
    if weights["triplet"]:
        terms["triplet"] = _total(
            weighted_regularization_triplet_loss(feature, everyone, normalize=unit, denominator_floor=floor)
            for feature in both
        )
    if descriptions is not None and weights["semantic_visible"]:
        terms["semantic_visible"] = semantic_term(both[1][:count], descriptions.visible, labels, loss)
    if descriptions is not None and weights["semantic_infrared"]:
        terms["semantic_infrared"] = semantic_term(both[1][2 * count :], descriptions.infrared, labels, loss)
    return terms


def semantic_term(
    projected: torch.Tensor, texts: torch.Tensor, labels: torch.Tensor, loss: EncoderLoss
) -> torch.Tensor:
    """The loss of kind `loss.semantic_loss` that pulls one modality's features (B, embed) to its descriptions."""
    match loss.semantic_loss:
        case "cross_entropy":
            return semantic_embedding_loss(projected, texts, labels, scale=loss.semantic_scale)
        case "supervised_contrastive":
            return semantic_contrastive_loss(projected, texts, labels, scale=loss.semantic_scale)
        case "cosine_regression":
            return cosine_regression_loss(projected, texts, labels)
        case "mse_regression":
            return mse_regression_loss(projected, texts, labels)
        case "triplet_to_text":
            return text_triplet_loss(projected, texts, labels, margin=loss.semantic_margin)
    raise ValueError(f"there is no semantic loss {loss.semantic_loss}")


def build_optimizer(network: ReIDNetwork, optimization: EncoderOptimization) -> torch.optim.Optimizer:
    """Adam with a higher rate for the classifiers and no decay on BN, biases and the pooling exponent.

    `decay_everything` restores the authors' groups: the higher rate on whole heads, decay on everything.
    """
    everything = optimization.decay_everything
    heads = {"pooled_head", "projected_head"} | ({"pooling"} if everything else set())
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        top = name.split(".")[0]
        fast = top in heads and (everything or name.endswith("_head.weight"))
        decayed = everything or parameter.ndim > 1
        groups.setdefault((fast, decayed), []).append(parameter)
    factor, decay = optimization.head_learning_rate_factor, optimization.weight_decay
    described = [
        {"params": parameters, "factor": factor if fast else 1.0, "weight_decay": decay if decayed else 0.0}
        for (fast, decayed), parameters in groups.items()
    ]
    return torch.optim.Adam(described, lr=optimization.learning_rate, fused=True)


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
