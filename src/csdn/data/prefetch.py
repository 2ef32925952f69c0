"""Prepare batches before they are needed, in a thread and, on a GPU, on a stream of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")
_END = object()


def prefetched(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """Yield `items` in order while a thread produces up to `depth` of the next ones.

    An error in the thread is raised here. A consumer that stops early stops the thread.
    """
    made: queue.Queue[Any] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(_END)
        except BaseException as error:
            put(error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def on_side_stream(
    inputs: Iterable[Any], make: Callable[[Any], tuple[torch.Tensor, ...]], device: torch.device, depth: int = 2
) -> Iterator[tuple[torch.Tensor, ...]]:
    """Apply `make` to `inputs` before the results are needed: its copies and kernels overlap with the training step.

    Args:
        make: takes one input, returns tensors on `device`. On a GPU it runs on a stream of its own, and the consumer's
            stream waits only for its result.
    """
    if device.type != "cuda":
        yield from prefetched((make(item) for item in inputs), depth)
        return
    stream = torch.cuda.Stream(device)

    def produce() -> Iterator[tuple[tuple[torch.Tensor, ...], torch.cuda.Event]]:
        with torch.cuda.stream(stream):
            for item in inputs:
                tensors = make(item)
                done = torch.cuda.Event()
                done.record(stream)
                yield tensors, done

    for tensors, done in prefetched(produce(), depth):
        current = torch.cuda.current_stream(device)
        current.wait_event(done)
        for tensor in tensors:
            tensor.record_stream(current)  # else the allocator could reuse its memory while it is still being read
        yield tensors
