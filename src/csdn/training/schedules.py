"""Learning rates as functions of the epoch or step."""

from __future__ import annotations

import math
from collections.abc import Sequence

PROMPT_WARMUP_EPOCHS = 5
PROMPT_FIRST_RATE = 1e-5
PROMPT_LAST_RATE = 1e-6


def prompt_learning_rate(epoch: float, epochs: int, base: float, kind: str) -> float:
    """Learning rate of stage 1.

    Args:
        epoch: from 0; its fraction matters only for `cosine`.
        epochs: of the whole stage.
        base: peak rate.
        kind: "reference" steps once an epoch: 5 epochs up from 1e-5, then a cosine to 1e-6 (docs/method.md);
            "cosine" falls to 0 without warm-up.
    """
    if kind == "cosine":
        return base * (1 + math.cos(math.pi * epoch / epochs)) / 2
    epoch = math.floor(epoch)
    if epoch < PROMPT_WARMUP_EPOCHS:
        return PROMPT_FIRST_RATE + epoch * (base - PROMPT_FIRST_RATE) / PROMPT_WARMUP_EPOCHS
    return PROMPT_LAST_RATE + (base - PROMPT_LAST_RATE) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def encoder_learning_rate(
    epoch: float, epochs: int, base: float, kind: str, *, warmup: float, milestones: Sequence[int] = ()
) -> float:
    """Learning rate of stage 2: linear warm-up from 0.01 x base, then steps (`multistep`) or a cosine to 0.

    Args:
        epoch: from 0; its fraction matters only for `cosine`.
        warmup: epochs of warm-up.
        milestones: epochs after which `multistep` multiplies by 0.1.
    """
    if kind == "multistep":
        epoch = math.floor(epoch)
    factor = min(1.0, 0.01 + 0.99 * epoch / warmup) if warmup else 1.0
    if kind == "multistep":
        return base * factor * 0.1 ** sum(epoch >= milestone for milestone in milestones)
    return base * factor * (1 + math.cos(math.pi * epoch / epochs)) / 2


def pretraining_learning_rate(step: int, steps: int, base: float, warmup_steps: int) -> float:
    """Learning rate of the small CLIP's pre-training: linear warm-up under a cosine to 0."""
    factor = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return base * factor * (1 + math.cos(math.pi * step / steps)) / 2
