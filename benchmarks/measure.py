"""Clocks, peak memory, counted work and the machine's ceilings."""

from __future__ import annotations

import ctypes
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from csdn.models.device import products_in

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def seconds(function: Callable[[], Any], device: torch.device) -> float:
    """Time of a call: device events on a GPU; on a CPU processor time, in which other processes do not count."""
    if device.type == "cuda":
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1000
    start_time = time.process_time()
    function()
    return time.process_time() - start_time


def interleaved(functions: dict[str, Callable[[], Any]], rounds: int, device: torch.device) -> dict[str, list[float]]:
    """Seconds of each function in each round; every round calls all, so that changes of the machine meet all alike."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            times[name].append(seconds(function, device))
    return times


def median_ratio(slow: list[float], fast: list[float]) -> float:
    """Median over rounds of how many times longer `slow` takes."""
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def peak_memory(function: Callable[[], Any], device: torch.device) -> float | None:
    """MiB that a call takes at its peak beyond what is there before; None where the system does not say."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        function()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    try:
        ctypes.CDLL(None).malloc_trim(0)  # what was freed goes back, so that a call that takes it again is seen to
        CLEAR.write_text("5")  # resets the high-water mark
    except (OSError, AttributeError):  # not Linux, or not glibc
        return None
    before = memory("VmRSS")
    function()
    return memory("VmHWM") - before


def memory(name: str) -> float:
    """A line of /proc/self/status, e.g. VmRSS or RssAnon, in MiB."""
    found = re.search(rf"^{name}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


class _Traffic(TorchDispatchMode):
    """Sums the bytes of tensors that operators read and write; views move nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
        out = function(*arguments, **(keywords or {}))
        if not function.is_view:
            tensors = [leaf for leaf in tree_leaves((arguments, keywords, out)) if isinstance(leaf, torch.Tensor)]
            self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


def work(function: Callable[[], Any]) -> tuple[int, int]:
    """Floating-point operations of matrix products and convolutions in a call, and bytes that its operators move."""
    counter = FlopCounterMode(display=False)
    with counter:
        function()
    traffic = _Traffic()
    with traffic:
        function()
    return counter.get_total_flops(), traffic.bytes


@torch.no_grad()
def ceilings(device: torch.device, precision: str) -> dict[str, float]:
    """Measured limits: operations a second of a large matrix product, bytes a second of a copy (read and written)."""
    size, dtype = (8192 if device.type == "cuda" else 1536), torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(size, size, device=device).to(dtype)
    big = torch.empty((1 << 30 if device.type == "cuda" else 1 << 27) // 4, device=device)
    target = torch.empty_like(big)
    times = {"product": [], "copy": []}
    for _ in range(6):
        with products_in(precision):
            times["product"].append(seconds(lambda: a @ a, device))
        times["copy"].append(seconds(lambda: target.copy_(big), device))
    fastest = {name: min(values[1:]) for name, values in times.items()}
    return {
        "flops_per_second": 2 * size**3 / fastest["product"],
        "bytes_per_second": 2 * big.numel() * 4 / fastest["copy"],
    }


def roofline(flops: int, moved: int, limits: dict[str, float], taken: float) -> float:
    """Share of the limit reached: the time that operations or traffic take at the ceilings, over the time taken."""
    return max(flops / limits["flops_per_second"], moved / limits["bytes_per_second"]) / taken
