"""Replacing PyTorch's convolutions by faster ones."""

from collections.abc import Callable

from torch import nn


def replace_convolutions(module: nn.Module, kind: type[nn.Conv2d], suitable: Callable[[nn.Conv2d], bool]) -> None:
    """Replace every `suitable` plain nn.Conv2d of a module, in place, by a `kind` with the same parameters."""
    for part in module.modules():
        for name, child in part.named_children():
            if type(child) is nn.Conv2d and suitable(child):
                new = kind(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,  # type: ignore[arg-type]  # always a pair, but annotated as a tuple of any length
                    padding=child.padding,  # type: ignore[arg-type]
                    bias=child.bias is not None,
                    device="meta",
                )
                new.weight, new.bias = child.weight, child.bias
                setattr(part, name, new.train(child.training))
