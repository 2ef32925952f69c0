"""Threads, device and determinism of a job."""

from __future__ import annotations

import contextlib

import torch


def prepare_machine(device: str, threads: int, deterministic: bool) -> torch.device:
    """Set threads and determinism for this process and choose the device (`auto`: CUDA where there is one)."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that costs a tenth of a step
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """bfloat16 autocast, or nothing for fp32."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's rate to `rate` times the group's own `factor` (1 where it has none)."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)
