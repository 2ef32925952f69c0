"""Jobs on a GPU that is not there: tensors with real shapes, types and devices, without values.

PyTorch's FakeTensorMode refuses every operation whose tensors lie on different devices, as CUDA would. What it cannot
do without values, or without a driver, is stood in for here, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import chain
from typing import Any
from unittest.mock import MagicMock, patch

import numpy as np
import torch
from safetensors.numpy import load_file as load_arrays
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

GPU = torch.device("cuda", 0)
aten = torch.ops.aten


class _WithoutValues(FakeTensorMode):
    """Answers what depends on values: every number is 0, so none is found; every element of a tensor is unique.

    Attributes:
        seen: (operator, devices of its tensors, TF32 allowed in products, in convolutions) of every operation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Any, set[str], bool, bool]] = []

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [a for a in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(a, torch.Tensor)]
        flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        self.seen.append((func, {tensor.device.type for tensor in tensors}, *flags))
        if func is aten._local_scalar_dense.default:
            return (args[0].dtype.is_floating_point and 0.0) or 0
        if func in (aten._unique2.default, aten.unique_dim.default):
            values = args[0].reshape(-1)
            return values, torch.zeros_like(args[0], dtype=torch.int64), torch.ones_like(values, dtype=torch.int64)
        if func is aten.nonzero.default:
            return args[0].new_zeros((0, args[0].ndim), dtype=torch.int64)
        if func is aten.is_pinned.default:
            return False
        if func is aten._pin_memory.default:
            assert args[0].device.type == "cpu", "only memory of the host can be pinned"
            return args[0]
        return super().dispatch(func, types, args, kwargs)


def _move(module: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
    """Module.to, which keeps its parameters' identity: FakeTensorMode's own would have to swap them."""
    device = torch._C._nn._parse_to(*args, **kwargs)[0]
    for tensor in chain(module.parameters(), module.buffers()) if device is not None else ():
        assert isinstance(tensor, FakeTensor)
        tensor.fake_device, tensor.constant = torch.device(device), None
    return module


def _to_numpy(tensor: torch.Tensor, **_: Any) -> np.ndarray:
    if tensor.device.type != "cpu":
        raise TypeError(f"can't convert {tensor.device} device type tensor to numpy")
    return np.zeros(tuple(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."))


def _as_array(tensor: torch.Tensor, dtype: Any = None, **_: Any) -> np.ndarray:
    return _to_numpy(tensor).astype(dtype or None)


def _copied(tensor: torch.Tensor, memo: dict[int, Any]) -> torch.Tensor:
    """Tensor.__deepcopy__, which copies the storage."""
    new = tensor.detach().clone()
    if isinstance(tensor, torch.nn.Parameter):
        new = torch.nn.Parameter(new)
    return memo.setdefault(id(tensor), new.requires_grad_(tensor.requires_grad))


def _load_file(path: Any) -> dict[str, torch.Tensor]:
    """safetensors' reader, which maps the file's storage."""
    return {name: torch.from_numpy(array) for name, array in load_arrays(path).items()}


def _backward(tensors: Any, *_: Any, **__: Any) -> None:
    """torch.autograd.backward node by node, for its engine asks the driver for the streams of every GPU."""
    roots = [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)
    incoming: dict[Any, list[torch.Tensor | None]] = {root.grad_fn: [torch.ones_like(root)] for root in roots}
    for node in _in_order([root.grad_fn for root in roots]):
        gradients = incoming.pop(node)
        if hasattr(node, "variable"):  # where a leaf's gradient is accumulated
            leaf = node.variable
            leaf.grad = gradients[0] if leaf.grad is None else leaf.grad + gradients[0]
            continue
        outgoing = node(*gradients)
        outgoing = outgoing if isinstance(outgoing, tuple) else (outgoing,)
        for (following, slot), gradient in zip(node.next_functions, outgoing, strict=True):
            if following is not None:
                expected = following._input_metadata
                slots = incoming.setdefault(following, [None] * len(expected))
                if gradient is not None:
                    assert gradient.device == expected[slot].device, (node, gradient.device)
                    gradient = gradient.sum_to_size(tuple(expected[slot].shape)).to(expected[slot].dtype)
                    slots[slot] = gradient if slots[slot] is None else slots[slot] + gradient


def _in_order(roots: list[Any]) -> list[Any]:
    """Every node of the graph after all nodes whose gradients flow into it."""
    done: set[Any] = set()
    order: list[Any] = []
    left = [(root, False) for root in roots]
    while left:
        node, followed = left.pop()
        if followed:
            order.append(node)
        elif node not in done:
            done.add(node)
            left += [(node, True), *((following, False) for following, _ in node.next_functions if following)]
    return order[::-1]


def _gradients(outputs: torch.Tensor, inputs: Any, **_: Any) -> tuple[torch.Tensor, ...]:
    """torch.autograd.grad; the graph has no other leaves whose gradient matters."""
    inputs = [inputs] if isinstance(inputs, torch.Tensor) else inputs
    _backward(outputs)
    return tuple(leaf.grad for leaf in inputs)


def _at_once(items: Iterable[Any], depth: int = 2) -> Iterator[Any]:
    """In this thread, for a mode holds in one thread only."""
    return iter(items)


def _forget_tensors() -> None:
    """Empty the caches of csdn's functions: a tensor that one holds must not meet those of the other kind."""
    modules = [module for name, module in sys.modules.items() if name.partition(".")[0] == "csdn"]
    for function in {value for module in modules for value in vars(module).values() if hasattr(value, "cache_clear")}:
        function.cache_clear()


@contextmanager
def fake_cuda() -> Iterator[_WithoutValues]:
    """Inside, `cuda` can be used, tensors that are made have no values, and jobs run as on a machine with one GPU."""
    mode = _WithoutValues()
    stream = MagicMock()
    with ExitStack() as stack:
        for target, stand_in in {
            "csdn.models.device.choose_device": lambda device, _: torch.device("cpu") if device == "cpu" else GPU,
            "csdn.models.device.claim_gpu_for_process": lambda: None,
            "safetensors.torch.load_file": _load_file,
            "csdn.data.prefetch.prefetched": _at_once,
            "torch.cuda.Stream": lambda device: stream,
            "torch.cuda.Event": MagicMock(),
            "torch.cuda.stream": lambda stream: nullcontext(),
            "torch.cuda.current_stream": lambda device: stream,
            "torch.set_rng_state": MagicMock(),
            "torch.cuda.get_rng_state": lambda device: torch.zeros(16, dtype=torch.uint8),
            "torch.cuda.set_rng_state": MagicMock(),
            "torch.cuda.get_device_name": lambda device: "a GPU that is not there",
            "torch.cuda.get_device_capability": lambda device: (9, 0),
            "torch.cuda.is_bf16_supported": lambda **_: True,
            "torch.autograd.backward": _backward,
            "torch.autograd.grad": _gradients,
            "torch.amp.autocast_mode.torch.cuda.amp.common.amp_definitely_not_available": lambda: False,
            "torch.Tensor.record_stream": lambda tensor, stream: None,
            "torch.Tensor.numpy": _to_numpy,
            "torch.Tensor.__array__": _as_array,
            "torch.Tensor.__deepcopy__": _copied,
            "torch.nn.Module.to": _move,
            "torch.nn.Module.cpu": lambda module: _move(module, "cpu"),
        }.items():
            stack.enter_context(patch(target, stand_in))
        _forget_tensors()
        stack.callback(_forget_tensors)
        stack.enter_context(mode)
        yield mode
