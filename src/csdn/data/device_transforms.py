"""The augmentation of csdn.data.transforms for a whole batch on a device; equal views give equal pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from csdn.data.transforms import COLOURS, GREY, GREY_WEIGHTS, Augmenter, View


def render_views(images: torch.Tensor, views: Sequence[View], augmenter: Augmenter) -> torch.Tensor:
    """Apply one view to each image, on the images' device.

    Args:
        images: uint8 (N, H, W, 3).
        views: one for each image; they are sent to the images' device as one small table.

    Returns:
        float32 (N, 3, H, W) in channels-last memory.
    """
    device = images.device
    count, height, width, _ = images.shape
    table = torch.from_numpy(_table(views))
    if device.type == "cuda":
        table = table.pin_memory().to(device, non_blocking=True)
    dy, dx, mirrored, top, left, bottom, right, channel = table.unbind(1)
    y, x = (torch.arange(size, device=device) for size in (height, width))
    rows = y + dy[:, None]
    columns = torch.where(mirrored[:, None] > 0, width - 1 - x, x) + dx[:, None]
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    place = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    place = place + (torch.arange(count, device=device) * height * width)[:, None, None]
    pixels = images.reshape(-1, 3)[place] * inside[..., None]  # padding is black
    constants = (augmenter.scale, augmenter.shift, augmenter.fill, GREY_WEIGHTS)
    scale, shift, fill, grey = (torch.from_numpy(values).to(device) for values in constants)
    out = pixels * scale - shift
    erased = ((y >= top[:, None]) & (y < bottom[:, None]))[:, :, None]
    erased = erased & ((x >= left[:, None]) & (x < right[:, None]))[:, None, :]
    out = torch.where(erased[..., None], fill, out)
    picked = torch.where((channel == COLOURS)[:, None], torch.arange(3, device=device), channel.clamp(0, 2)[:, None])
    copied = out.gather(3, picked[:, None, None, :].expand(count, height, width, 3))
    is_grey = (channel == GREY)[:, None, None, None]
    return torch.where(is_grey, (out * grey).sum(3, keepdim=True), copied).permute(0, 3, 1, 2)


def _table(views: Sequence[View]) -> np.ndarray:
    """int64 (N, 8): row and column shift, mirrored, the erased rectangle (top, left, bottom, right), channel."""
    rows = []
    for (dy, dx), mirrored, erased, channel in views:
        y, x, h, w = erased or (0, 0, 0, 0)
        rows.append((dy, dx, mirrored, y, x, y + h, x + w, channel))
    return np.array(rows, dtype=np.int64)
