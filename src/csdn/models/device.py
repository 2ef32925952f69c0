"""Device, precision and determinism of a step: decided only here, and recorded with the step's result."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from filelock import FileLock

from csdn.artifacts.machine import processor
from csdn.errors import UserError, first_line
from csdn.models.gpus import claim_gpu_for_process, why_no_gpu

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compute:
    """What a step computes on, with every `auto` resolved.

    Attributes:
        device: `cpu`, or a GPU with its number.
        precision: of matrix products and convolutions: `fp32`, `tf32` or `bf16`.
        deterministic: whether only kernels that give the same bits every time are used.
        threads: number of CPU threads.
    """

    device: torch.device
    precision: str
    deterministic: bool
    threads: int
    _claim: FileLock | None = field(default=None, repr=False, compare=False)  # held for the lifetime of this object

    def record(self) -> dict[str, Any]:
        """The form in which a result's record, MLflow and the report show it."""
        return {
            "device": str(self.device),
            "name": device_name(self.device),
            "precision": self.precision,
            "tf32": self.precision == "tf32",
            "deterministic": self.deterministic,
            "threads": self.threads,
        }


def configure_process(
    device: str, *, threads: int, deterministic: bool, precision: str = "fp32", option: str = "runtime.device"
) -> Compute:
    """Set threads, determinism and the GPU of this process, and resolve `auto`.

    From then on TF32 is off except inside `products_in`, also for convolutions, where PyTorch enables it by default.

    Args:
        device: `auto` (the GPU if one can be used), `cpu` or `cuda`.
        precision: of the step: `auto`, `fp32`, `tf32` or `bf16`.
        option: key or option that set `device`, for the error.

    Raises:
        UserError: `device` is `cuda`, but no GPU can be used; says what is missing.
    """
    torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # required by cuBLAS; read when CUDA starts
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a debugging aid that costs a tenth of a step
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    claim = claim_gpu_for_process() if device != "cpu" else None
    chosen = choose_device(device, option)
    return Compute(chosen, resolve_precision(precision, chosen), deterministic, threads, claim)


def choose_device(device: str, option: str = "runtime.device") -> torch.device:
    """`auto`, `cpu` or `cuda` as a device; logs why `auto` falls back to the CPU.

    Raises:
        UserError: `device` is `cuda`, but no GPU can be used.
    """
    if device == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    missing = why_no_gpu() or _why_cuda_does_not_start()
    if device == "cuda":
        raise UserError(f"{option}: `cuda` cannot be used because {missing}; or set it to `cpu`")
    log.warning("computing on the CPU: %s", missing)
    return torch.device("cpu")


def _why_cuda_does_not_start() -> str:
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return f"PyTorch cannot start CUDA ({first_line(error)}); check the output of `nvidia-smi`"
    return "PyTorch finds no GPU; check the output of `nvidia-smi`"


def resolve_precision(precision: str, device: torch.device) -> str:
    """What `precision` means on `device`: `fp32`, `tf32` or `bf16`.

    `auto` is `bf16` if the device has instructions for it, else `fp32`: without them bfloat16 is emulated and several
    times slower. `tf32` is `fp32` if the device has no TF32 products.
    """
    if precision == "auto":
        return "bf16" if _has_bf16(device) else "fp32"
    if precision == "tf32" and not _has_tf32(device):
        return "fp32"
    return precision


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)  # Ampere or newer


@contextlib.contextmanager
def products_in(precision: str) -> Iterator[None]:
    """Inside, a GPU computes products and convolutions in TF32 if `precision` is `tf32`, in backward passes too."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """bfloat16 autocast of a forward pass if `precision` is, or resolves to, `bf16`; otherwise nothing."""
    if resolve_precision(precision, device) == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def device_name(device: torch.device) -> str:
    """Model name of the GPU or of the processor."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
