"""Stage 1a: learn each identity's descriptions against frozen image features (CSDN section III-B)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from csdn.data.sampling import fixed_pair_batches, paired_batches
from csdn.losses import symmetric_contrastive_loss
from csdn.models.prompts import PromptBank, TextTower, clip_tokenizer
from csdn.training.checkpoint import Checkpoints
from csdn.training.optimizers import clip_gradients
from csdn.training.resumable import History, OnEpoch, TrainingRun
from csdn.training.schedules import prompt_learning_rate

VISIBLE, INFRARED = 0, 1


@dataclass(frozen=True)
class StageOneOptimization:
    """How stages 1a and 1b make their steps; `scale` is that of cosine logits, None for raw dot products."""

    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    schedule: str
    gradient_clip: float | None
    scale: float | None

    def rate(self, epoch: float) -> float:
        """Learning rate at a moment, in epochs from the start."""
        return prompt_learning_rate(epoch, self.epochs, self.learning_rate, self.schedule)


class StageOneImages(NamedTuple):
    """Frozen image features of both modalities: `visible` and `infrared` (N, embed) with labels (N,) from 0."""

    visible: torch.Tensor
    visible_labels: np.ndarray
    infrared: torch.Tensor
    infrared_labels: np.ndarray


def learn_prompts(
    bank: PromptBank,
    images: StageOneImages,
    optimization: StageOneOptimization,
    rng: np.random.Generator,
    on_epoch: OnEpoch,
    checkpoints: Checkpoints | None = None,
    *,
    own_modality: bool = False,
    fixed_pairs: bool = False,
) -> History:
    """Train `bank` in place; the text tower and the image features stay frozen.

    Each batch has `optimization.batch` images of each modality, and each image's text is that of its own modality.

    Args:
        own_modality: an image's positives are the texts of its identity in its own modality only, and those in the
            other modality are negatives; needs two banks.
        fixed_pairs: each visible image stays with the infrared image at its position, which must be of its identity.
        checkpoints: saves the training and continues it; None saves nothing.

    Returns:
        One row per epoch: epoch, loss, image-to-text accuracy of both modalities, cosine of the two modalities' texts,
        learning rate, seconds.
    """
    optimizer = torch.optim.Adam(
        [bank.contexts], lr=optimization.learning_rate, weight_decay=optimization.weight_decay, fused=True
    )
    scale = optimization.scale
    apart = bank.contexts.shape[1] if own_modality else 0  # added to infrared labels: another identity to the loss
    run = TrainingRun({"contexts": bank.contexts}, optimizer, rng, on_epoch, checkpoints)
    for epoch in run.epochs(optimization.epochs):
        batches = list(
            fixed_pair_batches(len(images.visible_labels), optimization.batch, rng)
            if fixed_pairs
            else paired_batches(images.visible_labels, images.infrared_labels, optimization.batch, rng)
        )
        for step, (visible, infrared) in run.remaining(batches):
            run.set_learning_rate(optimization.rate(epoch + step / len(batches)))
            labels = torch.from_numpy(images.visible_labels[visible])
            features = torch.cat([images.visible[visible], images.infrared[infrared]])
            texts, persons = bank.both(labels), torch.cat([labels, labels + apart])
            contrastive_step(features, texts, persons, scale, optimizer, run.record, optimization.gradient_clip)
        row = {"epoch": epoch, "loss": float(np.mean(run.terms["contrastive"])), "learning_rate": run.learning_rate}
        described = describe_all(bank)
        row |= description_accuracy(images, *described, scale)
        row |= {"description_cosine": description_cosine(*described)}
        run.end_epoch(row | {"seconds": run.seconds})
    return run.history


def contrastive_step(
    features: torch.Tensor,
    texts: torch.Tensor,
    labels: torch.Tensor,
    scale: float | None,
    optimizer: torch.optim.Optimizer,
    record: Callable[[Mapping[str, torch.Tensor]], None],
    gradient_clip: float | None = None,
) -> None:
    """One optimiser step of the symmetric contrastive loss; `record` is called with the loss before the step."""
    if scale is not None:
        features, texts = F.normalize(features, dim=1), F.normalize(texts, dim=1)
    temperature = 1.0 if scale is None else 1.0 / scale
    loss = symmetric_contrastive_loss(features, texts, labels.to(features.device), temperature=temperature)
    record({"contrastive": loss.detach()})
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    clip_gradients(optimizer, gradient_clip)
    optimizer.step()


@torch.no_grad()
def describe_all(bank: PromptBank, block: int = 256) -> tuple[torch.Tensor, torch.Tensor]:
    """Text features of every identity, (identities, embed) each for visible and infrared."""
    rows = torch.arange(bank.contexts.shape[1]).split(block)
    visible, infrared = (torch.cat([bank(index, part) for part in rows]) for index in (VISIBLE, INFRARED))
    return visible, infrared


@torch.no_grad()
def describe_by_captions(tower: TextTower, captions: Sequence[Sequence[str]], device: torch.device) -> torch.Tensor:
    """Mean text feature of each identity's captions (identities, embed): an oracle, as real data have no captions.

    Args:
        captions: one or more texts for each identity; each is cut to the tower's context.
    """
    tokenizer = clip_tokenizer(tower.context_length)
    return torch.stack([tower.encode_tokens(tokenizer(list(texts)).to(device)).mean(0) for texts in captions])


@torch.no_grad()
def describe_by_centroids(images: StageOneImages, identities: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of the unit features of each identity's images, (identities, embed) each for visible and infrared.

    The control without language: what pulls to it pulls to a prototype of frozen image features. It is no longer than
    1, and the shorter, the more the images differ. Every identity needs an image of each modality.
    """
    out = []
    for features, labels in ((images.visible, images.visible_labels), (images.infrared, images.infrared_labels)):
        unit = F.normalize(features, dim=1)
        out.append(torch.stack([unit[np.flatnonzero(labels == person)].mean(0) for person in range(identities)]))
    return out[VISIBLE], out[INFRARED]


@torch.no_grad()
def description_cosine(text_visible: torch.Tensor, text_infrared: torch.Tensor) -> float:
    """Cosine of the two modalities' texts (identities, embed), mean over identities: 1 where they say the same."""
    return float(F.cosine_similarity(text_visible, text_infrared, dim=1).mean())


@torch.no_grad()
def description_accuracy(
    images: StageOneImages, text_visible: torch.Tensor, text_infrared: torch.Tensor, scale: float | None
) -> dict[str, float]:
    """Share of images whose own description is the nearest one, by modality."""
    out = {}
    for name, texts in (("visible", text_visible), ("infrared", text_infrared)):
        features, labels = getattr(images, name), getattr(images, f"{name}_labels")
        if scale is not None:
            features, texts = F.normalize(features, dim=1), F.normalize(texts, dim=1)
        nearest = (features @ texts.T).argmax(1).cpu().numpy()
        out[f"accuracy_{name}"] = float((nearest == labels).mean())
    return out
