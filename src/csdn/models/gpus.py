"""The NVIDIA GPUs of this machine as the driver reports them, without importing torch, which takes seconds."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from csdn.errors import warn

VISIBLE = "CUDA_VISIBLE_DEVICES"
# The oldest driver that runs programs built with a major version of CUDA (NVIDIA's CUDA Compatibility guide).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}


def why_no_gpu() -> str | None:
    """Why no GPU can be used and what to do, to be put into a sentence; None if one can be used."""
    cuda = _cuda_of_torch()
    if cuda is None:
        return "this PyTorch is built without CUDA; install the wheels of constraints.txt"
    major = int(cuda.split(".")[0])
    oldest = OLDEST_DRIVER.get(major, f"for CUDA {cuda}")
    try:
        with _nvml() as nvml:
            driver, able = _text(nvml.nvmlSystemGetDriverVersion()), nvml.nvmlSystemGetCudaDriverVersion_v2() // 1000
            gpus = nvml.nvmlDeviceGetCount()
    except _driver_errors() as error:
        return f"no NVIDIA driver answers ({error}); install driver {oldest} or newer"
    if able < major:
        return f"the NVIDIA driver {driver} is too old for PyTorch's CUDA {cuda}; install driver {oldest} or newer"
    if not gpus:
        return f"the NVIDIA driver {driver} finds no GPU; check the output of `nvidia-smi`"
    hidden = os.environ.get(VISIBLE)
    if hidden is not None and not _names(hidden):
        return f"{VISIBLE}={hidden!r} hides every GPU; unset it"
    return None


def wants_gpu(device: str) -> bool:
    """Whether a job on `device` (`auto`, `cpu` or `cuda`) uses a GPU."""
    return device == "cuda" or (device == "auto" and why_no_gpu() is None)


def claim_gpu_for_process() -> FileLock | None:
    """Reserve one of several GPUs for this process, by a lock for each GPU and through CUDA_VISIBLE_DEVICES.

    Call it before CUDA starts. If every GPU is taken, the one with the fewest jobs is shared, with a warning.

    Returns:
        The lock, held until it is released or the process ends; None if there are not several GPUs to choose from.
    """
    names = visible_gpus()
    if len(names) < 2:
        return None
    for sharing in count():
        for name in names:
            lock = FileLock(Path(tempfile.gettempdir()) / f"csdn-gpu-{_file_name(name)}-{sharing}.lock", mode=0o666)
            with suppress(Timeout, PermissionError):  # taken, or locked by another user whose file we may not open
                lock.acquire(timeout=0)
                if sharing:
                    warn(f"all {len(names)} GPUs are taken; {name} is shared by {sharing + 1} jobs")
                os.environ[VISIBLE] = name
                return lock
        if sharing > 64:
            raise RuntimeError(f"cannot take any lock in {tempfile.gettempdir()}")
    raise AssertionError("unreachable")


def visible_gpus() -> list[str]:
    """The GPUs that CUDA shows this process: as CUDA_VISIBLE_DEVICES names them, or by their unique ids if unset."""
    chosen = os.environ.get(VISIBLE)
    if chosen is not None:
        return _names(chosen)
    with suppress(*_driver_errors()), _nvml() as nvml:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        return [_text(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
    return []


def _names(visible: str) -> list[str]:
    """The entries up to the first one that is not a GPU, where CUDA stops reading the list."""
    names = []
    for name in (part.strip() for part in visible.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break
        names.append(name)
    return names


def _file_name(gpu: str) -> str:
    """A GPU's unique id, whether given by its id or by its number, so that both use the same lock."""
    if gpu.isdecimal():
        with suppress(*_driver_errors()), _nvml() as nvml:
            gpu = _text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(int(gpu))))
    return re.sub(r"\W", "-", gpu)


def _cuda_of_torch() -> str | None:
    """The CUDA version that the installed torch was built with, read from its files."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return None
    text = Path(torch.origin).with_name("version.py").read_text(encoding="utf-8")
    found = re.search(r"^cuda\b[^=]*= *['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return found[1] if found else None


@contextmanager
def _nvml() -> Iterator[Any]:
    """NVIDIA's management library, which does not start CUDA, so a process can still choose its GPU, and fork."""
    import pynvml

    pynvml.nvmlInit()
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


def _driver_errors() -> tuple[type[Exception], ...]:
    import pynvml

    return (pynvml.NVMLError,)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
