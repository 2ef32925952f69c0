"""Replacing PyTorch's convolutions by faster ones."""

from collections.abc import Callable
from typing import Any

from torch import nn


def replace_convolutions(module: nn.Module, kind: type[nn.Conv2d], suitable: Callable[[nn.Conv2d], bool]) -> None:
    """Replace every `suitable` plain nn.Conv2d of a module, in place, by a `kind` with the same parameters."""
    for part in module.modules():
        for name, child in part.named_children():
            if type(child) is nn.Conv2d and suitable(child):
                sizes = ("in_channels", "out_channels", "kernel_size", "padding")
                same: dict[str, Any] = {size: getattr(child, size) for size in sizes}
                new = kind(**same, bias=child.bias is not None, device="meta")
                new.weight, new.bias = child.weight, child.bias
                setattr(part, name, new.train(child.training))
