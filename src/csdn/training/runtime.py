"""Threads, device, precision and determinism of a job."""

from __future__ import annotations

import contextlib
import os

import torch


def prepare_machine(device: str, threads: int, deterministic: bool) -> torch.device:
    """Set threads and determinism for this process and choose the device (`auto`: CUDA where there is one)."""
    torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS refuses without it; read when CUDA starts
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that costs a tenth of a step
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def resolve_precision(precision: str, device: torch.device) -> str:
    """`auto` as `bf16` where the device has instructions for it, else `fp32`; anything else as it is.

    Without such instructions bfloat16 is emulated and several times slower than float32.
    """
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    able = torch.cpu.get_capabilities()
    return "bf16" if able.get("amx_bf16") or able.get("avx512_bf16") else "fp32"


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """bfloat16 autocast for `bf16`, else nothing; on a GPU also allows TF32 products for `tf32` alone."""
    precision = resolve_precision(precision, device)
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set every group's rate to `rate` times the group's own `factor` (1 where it has none)."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def clip_gradients(optimizer: torch.optim.Optimizer, largest: float | None) -> None:
    """Scale the gradients of all that `optimizer` trains to a joint norm of at most `largest` (None: leave them)."""
    if largest is not None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(parameters, largest)
