"""Inference without batch normalisation, which is folded into the convolutions before it."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)


def folded(module: Module) -> Module:
    """A copy of `module` in evaluation mode that computes the same, with every BN folded into its convolution.

    Pairs are found by the names that CLIP's ResNets and the stems give them: `conv1` and `bn1`, and neighbours `0` and
    `1` of a downsampling branch. A module without such pairs, such as a transformer, is only copied.
    """
    module = copy.deepcopy(module).eval()
    for part in module.modules():
        children = dict(part.named_children())
        for name, child in children.items():
            follower = (
                name.replace("conv", "bn") if name.startswith("conv") else str(int(name) + 1) if name.isdigit() else ""
            )
            norm = children.get(follower)
            if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, name, fuse_conv_bn_eval(child, norm))
                setattr(part, follower, nn.Identity())
    return module.requires_grad_(False)
