"""CLIP's ResNet image towers adapted to person images: stride 16, any height and width, one stem per modality."""

from __future__ import annotations

import copy
from typing import cast

import torch
import torch.nn.functional as F
from open_clip.modified_resnet import ModifiedResNet
from torch import nn

from csdn.models.attention_pooling import AttentionPooling, resample_positions
from csdn.models.convolutions import replace_convolutions
from csdn.models.pooling import GeneralizedMeanPooling
from csdn.models.winograd import use_winograd

STRIDE = 16


class Stem(nn.Module):
    """First layers of CLIP's ResNets: three convolutions with BN and ReLU, then 2x2 average pooling (total stride 4).

    Args:
        resnet: the open_clip ModifiedResNet whose stem is copied.
        inner_relu: False keeps only the ReLU after the third BN, as the authors' code does.
    """

    def __init__(self, resnet: ModifiedResNet, inner_relu: bool) -> None:
        super().__init__()
        self.conv1, self.bn1 = copy.deepcopy(resnet.conv1), copy.deepcopy(resnet.bn1)
        self.conv2, self.bn2 = copy.deepcopy(resnet.conv2), copy.deepcopy(resnet.bn2)
        self.conv3, self.bn3 = copy.deepcopy(resnet.conv3), copy.deepcopy(resnet.bn3)
        self.inner = nn.ReLU(inplace=True) if inner_relu else nn.Identity()
        self.last = nn.ReLU(inplace=True)
        self.pool = nn.AvgPool2d(2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) -> (N, width, H/4, W/4)."""
        x = self.inner(self.bn1(self.conv1(images)))
        x = self.inner(self.bn2(self.conv2(x)))
        return self.pool(self.last(self.bn3(self.conv3(x))))


class TwoStreamResNet(nn.Module):
    """A CLIP ResNet with one stem for each modality and everything after it shared."""

    def __init__(self, resnet: ModifiedResNet, *, inner_relu: bool = True) -> None:
        super().__init__()
        self.visible_stem = Stem(resnet, inner_relu)
        self.infrared_stem = Stem(resnet, inner_relu)
        self.layers = nn.Sequential(resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4)
        self.attention_pool = cast(AttentionPooling, resnet.attnpool)  # adapt_resnet put it there
        self.channels = self.attention_pool.q_proj.in_features
        self.embed_dim = self.attention_pool.c_proj.out_features

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        """Visible (N, 3, H, W) and infrared (M, 3, H, W), each possibly empty -> maps (N + M, C, H/16, W/16)."""
        streams = [(self.visible_stem, visible), (self.infrared_stem, infrared)]
        return self.trunk(torch.cat([stem(images) for stem, images in streams if len(images)]))

    def trunk(self, stems: torch.Tensor) -> torch.Tensor:
        """The layers shared by both modalities: stem outputs (N, width, H/4, W/4) -> maps (N, C, H/16, W/16)."""
        return self.layers(stems)

    def project(self, maps: torch.Tensor) -> torch.Tensor:
        """Maps -> features in CLIP's joint space (N, embed): the attention pool's first token."""
        return self.attention_pool(maps)

    def build_pooling(self) -> nn.Module:
        """The module that computes `pooled` (N, C) from the maps."""
        return GeneralizedMeanPooling()


class PointwiseConv(nn.Conv2d):
    """A 1 x 1 convolution computed as a matrix product, which is faster when gradients are needed."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, h, w) -> (N, D, h, w)."""
        if not torch.is_grad_enabled():
            return super().forward(maps)
        return F.linear(maps.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


def use_products(module: nn.Module) -> None:
    """Replace every 1 x 1 convolution of stride 1, in place, by a PointwiseConv with the same parameters."""
    replace_convolutions(module, PointwiseConv, _is_pointwise)


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1


def adapt_resnet(visual: ModifiedResNet, image_size: tuple[int, int]) -> None:
    """Remove an open_clip ModifiedResNet's last stride and give it a single-query pool for `image_size`, in place.

    The pool's weights are kept and its positional embedding is resampled to (H/16, W/16).
    """
    use_products(visual)
    use_winograd(visual)
    block = visual.layer4[0]
    block.avgpool, block.stride = nn.Identity(), 1
    block.downsample[0] = nn.Identity()
    old = visual.attnpool
    side = int((len(old.positional_embedding) - 1) ** 0.5)
    pool = AttentionPooling(old.q_proj.in_features, old.c_proj.out_features, old.num_heads, (side, side))
    pool.load_state_dict(old.state_dict())
    visual.attnpool = pool
    resize_attention_pool(visual, image_size)


def resize_attention_pool(visual: ModifiedResNet, image_size: tuple[int, int]) -> None:
    """Resample the attention pool's positional embedding to the map of `image_size` (H, W), in place."""
    pool = cast(AttentionPooling, visual.attnpool)
    grid = (image_size[0] // STRIDE, image_size[1] // STRIDE)
    if pool.grid != grid:
        positions = pool.positional_embedding.detach()
        pool.positional_embedding = nn.Parameter(resample_positions(positions, pool.grid, grid))
        pool.grid = grid
