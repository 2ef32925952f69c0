"""3 x 3 convolutions on a processor with 2.25 to 4 times fewer multiplications.

Winograd's minimal filtering F(m x m, 3 x 3): a tile of (m + 2) x (m + 2) inputs gives m x m outputs through (m + 2)^2
products instead of 9 m^2; the products of all tiles and channels are (m + 2)^2 matrix products. Source: Lavin and Gray,
*Fast Algorithms for Convolutional Neural Networks* (CVPR 2016), section 4. Both gradients have the same form.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

from csdn.models.convolutions import replace_convolutions

LEAST_CHANNELS = 96  # with fewer, transforming the tiles takes longer than the products that it saves
CHUNK_VALUES = 1 << 21  # transformed values at a time: 8 MiB, which stay in the processor's cache
POINTS = {2: (0, 1, -1), 3: (0, 1, -1, 2), 4: (0, 1, -1, 0.5, -2)}  # by m; of the usual ones the most exact


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


class _Transforms(NamedTuple):
    """Matrices of a tile's two directions at once, Kronecker products of the paper's B^T, G and A^T with themselves."""

    inputs: torch.Tensor
    kernels: torch.Tensor
    outputs: torch.Tensor


@functools.cache
def _transforms(size: int, dtype: torch.dtype) -> _Transforms:
    """For tiles of `size` x `size` outputs: a product of polynomials by their values at POINTS and at infinity."""
    points = np.array(POINTS[size], dtype=float)
    others = [np.delete(points, place) for place in range(len(points))]
    inputs = np.array([[*np.poly(rest)[::-1], 0] for rest in others] + [np.poly(points)[::-1]])
    scales = [np.prod(point - rest) for point, rest in zip(points, others, strict=True)]
    kernels = np.vstack([np.vander(points, 3, increasing=True) / np.array(scales)[:, None], [0, 0, 1]])
    outputs = np.vstack([np.vander(points, size, increasing=True), np.eye(size)[-1]]).T
    return _Transforms(*(torch.from_numpy(np.kron(each, each)).to(dtype) for each in (inputs, kernels, outputs)))


class _Tiles(NamedTuple):
    """How maps (N, C, H, W) are cut: `high` x `wide` tiles of `size` x `size` outputs an image."""

    height: int
    width: int
    size: int
    high: int
    wide: int

    @classmethod
    def of(cls, maps: torch.Tensor) -> _Tiles:
        """The tiles that take the fewest multiplications, those beyond the edges included."""
        height, width = maps.shape[2:]
        choices = (cls(height, width, size, -(-height // size), -(-width // size)) for size in POINTS)
        return min(choices, key=lambda tiles: tiles.values)

    @property
    def values(self) -> int:
        """Transformed values of an image and channel."""
        return (self.size + 2) ** 2 * self.high * self.wide

    def chunks(self, images: int, channels: int) -> Iterator[slice]:
        """Slices of the images, so many at a time that their transformed values stay in the cache."""
        step = max(1, CHUNK_VALUES // (self.values * channels))
        return (slice(start, start + step) for start in range(0, images, step))


def _convolve(maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Maps (N, C, H, W) and kernels (D, C, 3, 3) -> (N, D, H, W) in channels-last memory."""
    tiles, (outputs, inputs) = _Tiles.of(maps), weight.shape[:2]
    size, transforms = tiles.size, _transforms(tiles.size, maps.dtype)
    kernels = (transforms.kernels @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, inputs, outputs)
    out = maps.new_empty(len(maps), tiles.height, tiles.width, outputs)
    for images in tiles.chunks(len(maps), max(inputs, outputs)):
        products = torch.bmm(_transformed(maps[images], tiles), kernels)
        blocks = transforms.outputs @ products.view(len(products), -1)
        blocks = blocks.view(size, size, -1, tiles.high, tiles.wide, outputs).permute(2, 3, 0, 4, 1, 5)
        whole = blocks.reshape(-1, size * tiles.high, size * tiles.wide, outputs)
        out[images] = whole[:, : tiles.height, : tiles.width]
    return out.permute(0, 3, 1, 2)


def _weight_gradient(maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Inputs (N, C, H, W) and the gradient of the outputs (N, D, H, W) -> that of the kernels (D, C, 3, 3)."""
    tiles, inputs, outputs = _Tiles.of(maps), maps.shape[1], gradient.shape[1]
    size, transforms = tiles.size, _transforms(tiles.size, maps.dtype)
    total = maps.new_zeros((size + 2) ** 2, inputs, outputs)
    for images in tiles.chunks(len(maps), max(inputs, outputs)):
        blocks = _padded(gradient[images], tiles, before=0, after=0)
        blocks = blocks.view(-1, tiles.high, size, tiles.wide, size, outputs).permute(2, 4, 0, 1, 3, 5)
        spread = transforms.outputs.T @ blocks.reshape(size**2, -1)
        total.baddbmm_(_transformed(maps[images], tiles).transpose(1, 2), spread.view(len(total), -1, outputs))
    kernels = transforms.kernels.T @ total.view(len(total), -1)
    return kernels.view(3, 3, inputs, outputs).permute(3, 2, 0, 1)


def _transformed(maps: torch.Tensor, tiles: _Tiles) -> torch.Tensor:
    """The values of every tile of maps (n, C, H, W), as matrices ((size + 2)^2, tiles, C)."""
    padded = _padded(maps, tiles, before=1, after=1)
    image, row, column, _ = padded.stride()
    count, channels = maps.shape[:2]
    size, side = tiles.size, tiles.size + 2
    shape = (side, side, count, tiles.high, tiles.wide, channels)
    overlapping = padded.as_strided(shape, (row, column, image, size * row, size * column, 1))
    values = _transforms(size, maps.dtype).inputs @ overlapping.reshape(side**2, -1)
    return values.view(side**2, -1, channels)


def _padded(maps: torch.Tensor, tiles: _Tiles, *, before: int, after: int) -> torch.Tensor:
    """Maps (n, C, H, W) -> (n, rows, columns, C) with zeros around, filled up to whole tiles."""
    right = tiles.size * tiles.wide - tiles.width + after
    below = tiles.size * tiles.high - tiles.height + after
    return F.pad(maps.permute(0, 2, 3, 1), (0, 0, before, right, before, below)).contiguous()
