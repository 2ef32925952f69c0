"""Stage 1b: fuse the two modalities' descriptions of each identity (CSDN section III-C, SII)."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from csdn.training.checkpoint import Checkpoints
from csdn.training.prompt_stage import StageOneImages, StageOneOptimization, contrastive_step, description_accuracy
from csdn.training.resumable import History, OnEpoch, TrainingRun


def train_fusion(
    fusion: nn.Module,
    text_visible: torch.Tensor,
    text_infrared: torch.Tensor,
    images: StageOneImages,
    optimization: StageOneOptimization,
    rng: np.random.Generator,
    on_epoch: OnEpoch,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train `fusion` in place on frozen descriptions (identities, embed) and frozen image features.

    The loss contrasts fused descriptions with images of both modalities, a batch of shuffled images at a time.
    A fusion without parameters is only evaluated.

    Args:
        checkpoints: saves the training and continues it; None saves nothing.

    Returns:
        One row per epoch: epoch, loss, image-to-text accuracy of both modalities, learning rate, seconds.
    """
    scale = optimization.scale
    parameters = list(fusion.parameters())
    if not parameters:
        fused = fuse_all(fusion, text_visible, text_infrared)
        row = {"epoch": 0, **description_accuracy(images, fused, fused, scale)}
        on_epoch(row)
        return [row]
    optimizer = torch.optim.Adam(
        parameters, lr=optimization.learning_rate, weight_decay=optimization.weight_decay, fused=True
    )
    features = torch.cat([images.visible, images.infrared])
    labels = torch.from_numpy(np.concatenate([images.visible_labels, images.infrared_labels]))
    steps = max(len(labels) // optimization.batch, 1)
    run = TrainingRun({"fusion": fusion}, optimizer, rng, on_epoch, checkpoints)
    for epoch in run.epochs(optimization.epochs):
        order = torch.from_numpy(rng.permutation(len(labels)))
        fusion.train()
        for step, chosen in run.remaining(order.split(optimization.batch)[:steps]):
            run.set_learning_rate(optimization.rate(epoch + step / steps))
            persons = labels[chosen]
            fused = fusion(text_visible[persons], text_infrared[persons])
            contrastive_step(features[chosen], fused, persons, scale, optimizer, run.record, optimization.gradient_clip)
        fused = fuse_all(fusion, text_visible, text_infrared)
        row = {"epoch": epoch, "loss": float(np.mean(run.terms["contrastive"])), "learning_rate": run.learning_rate}
        row |= description_accuracy(images, fused, fused, scale)
        run.end_epoch(row | {"seconds": run.seconds})
    return run.history


@torch.no_grad()
def fuse_all(
    fusion: nn.Module, text_visible: torch.Tensor, text_infrared: torch.Tensor, *, dropout: bool = False
) -> torch.Tensor:
    """Fused descriptions (identities, embed) without dropout, which the authors' code leaves on."""
    return fusion.train(dropout)(text_visible, text_infrared)
