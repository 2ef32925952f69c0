"""3 x 3 convolutions on a processor with 2.25 times fewer multiplications.

Winograd's minimal filtering F(2 x 2, 3 x 3): a tile of 4 x 4 inputs gives 2 x 2 outputs through 16 products instead of
36; the products of all tiles and channels are 16 matrix products. Source: Lavin and Gray, *Fast Algorithms for
Convolutional Neural Networks* (CVPR 2016), section 4.1. Both gradients are computed in the same form.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from csdn.models.convolutions import replace_convolutions

LEAST_CHANNELS = 96  # with fewer, transforming the tiles takes longer than the products that it saves
CHUNK_VALUES = 1 << 21  # transformed values at a time: 8 MiB, which stay in the processor's cache

_INPUT = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))  # B^T of the paper
_KERNEL = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))  # G
_OUTPUT = ((1, 1, 1, 0), (0, 1, -1, -1))  # A^T


class WinogradConv(nn.Conv2d):
    """A 3 x 3 convolution of stride and padding 1; on a GPU, in half precision and compiled an ordinary one."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) -> (N, D, H, W)."""
        if maps.device.type != "cpu" or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling():
            return super().forward(maps)  # a compiled or exported graph shows the convolution
        out = _Convolution.apply(maps, self.weight)
        return out if self.bias is None else out + self.bias[:, None, None]


def use_winograd(module: nn.Module) -> None:
    """Put a WinogradConv with the same parameters in the place of every wide 3 x 3 convolution, in place."""
    replace_convolutions(module, WinogradConv, _is_suitable)


def _is_suitable(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
    plain = shape == ((3, 3), (1, 1), (1, 1), (1, 1)) and conv.groups == 1 and conv.padding_mode == "zeros"
    return plain and min(conv.in_channels, conv.out_channels) >= LEAST_CHANNELS


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        context.save_for_backward(maps, weight)
        return _convolve(maps, weight)

    @staticmethod
    @once_differentiable
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        maps, weight = context.saved_tensors
        (gradient,) = gradients
        wants_maps, wants_weight = context.needs_input_grad
        of_maps = _convolve(gradient, weight.flip(2, 3).transpose(0, 1)) if wants_maps else None
        return of_maps, _weight_gradient(maps, gradient) if wants_weight else None


class _Tiles(NamedTuple):
    """How maps (N, C, H, W) are cut: `high` x `wide` tiles of 2 x 2 an image."""

    height: int
    width: int
    high: int
    wide: int

    @classmethod
    def of(cls, maps: torch.Tensor) -> _Tiles:
        height, width = maps.shape[2:]
        return cls(height, width, -(-height // 2), -(-width // 2))

    def chunks(self, images: int, channels: int) -> Iterator[slice]:
        """Slices of the images, so many at a time that their transformed values stay in the cache."""
        step = max(1, CHUNK_VALUES // (16 * self.high * self.wide * channels))
        return (slice(start, start + step) for start in range(0, images, step))


def _convolve(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Maps (N, C, H, W) and kernels (D, C, 3, 3) -> (N, D, H, W) in channels-last memory."""
    tiles, (outputs, inputs) = _Tiles.of(maps), weight.shape[:2]
    kernels = _pairs(_KERNEL, weight) @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    kernels = kernels.view(16, inputs, outputs)
    out = maps.new_empty(len(maps), tiles.height, tiles.width, outputs)
    back = _pairs(_OUTPUT, maps)
    for images in tiles.chunks(len(maps), max(inputs, outputs)):
        products = torch.bmm(_transformed(maps[images], tiles), kernels)
        blocks = (back @ products.view(16, -1)).view(2, 2, -1, tiles.high, tiles.wide, outputs)
        whole = blocks.permute(2, 3, 0, 4, 1, 5).reshape(-1, 2 * tiles.high, 2 * tiles.wide, outputs)
        out[images] = whole[:, : tiles.height, : tiles.width]
    return out.permute(0, 3, 1, 2)


def _weight_gradient(maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Inputs (N, C, H, W) and the gradient of the outputs (N, D, H, W) -> that of the kernels (D, C, 3, 3)."""
    tiles, inputs, outputs = _Tiles.of(maps), maps.shape[1], gradient.shape[1]
    spread = _pairs(_OUTPUT, maps).T
    total = maps.new_zeros(16, inputs, outputs)
    for images in tiles.chunks(len(maps), max(inputs, outputs)):
        part = _padded(gradient[images], tiles, before=0, after=0).view(-1, tiles.high, 2, tiles.wide, 2, outputs)
        spread_part = (spread @ part.permute(2, 4, 0, 1, 3, 5).reshape(4, -1)).view(16, -1, outputs)
        total.baddbmm_(_transformed(maps[images], tiles).transpose(1, 2), spread_part)
    kernels = _pairs(_KERNEL, maps).T @ total.view(16, -1)
    return kernels.view(3, 3, inputs, outputs).permute(3, 2, 0, 1)


def _transformed(maps: torch.Tensor, tiles: _Tiles) -> torch.Tensor:
    """The 16 values of every tile of maps (n, C, H, W), as matrices (16, tiles, C)."""
    padded = _padded(maps, tiles, before=1, after=1)
    image, row, column, _ = padded.stride()
    count, channels = maps.shape[:2]
    shape = (4, 4, count, tiles.high, tiles.wide, channels)
    overlapping = padded.as_strided(shape, (row, column, image, 2 * row, 2 * column, 1))
    return (_pairs(_INPUT, maps) @ overlapping.reshape(16, -1)).view(16, -1, channels)


def _padded(maps: torch.Tensor, tiles: _Tiles, *, before: int, after: int) -> torch.Tensor:
    """Maps (n, C, H, W) -> (n, rows, columns, C) with zeros around, filled up to whole tiles."""
    right = 2 * tiles.wide - tiles.width + after
    below = 2 * tiles.high - tiles.height + after
    return F.pad(maps.permute(0, 2, 3, 1), (0, 0, before, right, before, below)).contiguous()


def _pairs(matrix: tuple[tuple[float, ...], ...], like: torch.Tensor) -> torch.Tensor:
    """The transform of both directions of a tile at once: the Kronecker product of `matrix` with itself."""
    single = torch.tensor(matrix, dtype=like.dtype)
    return torch.kron(single, single)
