"""Learning rate and gradient clipping, which every stage sets before a step."""

from __future__ import annotations

import torch


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's rate to `rate` times the group's `factor` (1 if it has none)."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def clip_gradients(optimizer: torch.optim.Optimizer, largest: float | None) -> None:
    """Scale all gradients of `optimizer` to a joint norm of at most `largest` (None: leave them unchanged)."""
    if largest is not None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, largest)
