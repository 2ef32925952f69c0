"""Batches of stage 2: which images they hold, and their augmentation on the device of the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator

from csdn.data.device_transforms import render_views
from csdn.data.image_cache import TrainingImages
from csdn.data.prefetch import on_side_stream
from csdn.data.sampling import identity_batches
from csdn.data.transforms import Augmenter, View

CPU = torch.device("cpu")


class Batching(NamedTuple):
    """How batches are made: `identities` in each, `images` of an identity and modality, and their augmentation."""

    identities: int
    images: int
    augmenter: Augmenter


class Batch(NamedTuple):
    """Augmented images: visible (2 B, ...), first views then channel-exchanged ones; infrared (B, ...); labels (B,)."""

    visible: torch.Tensor
    infrared: torch.Tensor
    labels: torch.Tensor


class RawBatch(NamedTuple):
    """A batch before augmentation: uint8 images (3 B, H, W, 3) in the order of `Batch`, their views, labels (B,)."""

    pixels: np.ndarray
    views: list[View]
    labels: np.ndarray


def augmented_batches(
    images: TrainingImages, batching: Batching, rng: Generator, device: torch.device = CPU
) -> Iterator[Batch]:
    """One epoch of batches; every view is cropped, mirrored and erased independently.

    The same random numbers are drawn for every device. Images are sent to a GPU as uint8 and augmented there, some
    batches before they are needed; until the end of the epoch `rng` has then drawn for later batches too.
    """
    raw_batches = _raw_batches(images, batching, rng)
    if device.type != "cpu":
        yield from batches_on_device(raw_batches, batching.augmenter, device)
        return
    for raw in raw_batches:
        yield _batch(_render(raw, batching.augmenter), torch.from_numpy(raw.labels))


def batches_on_device(raw_batches: Iterable[RawBatch], augmenter: Augmenter, device: torch.device) -> Iterator[Batch]:
    """Batches augmented on `device`, before they are needed."""

    def send(raw: RawBatch) -> Batch:
        pixels, labels = torch.from_numpy(raw.pixels), torch.from_numpy(raw.labels)
        if device.type == "cuda":  # copies are asynchronous only from pinned memory
            pixels, labels = pixels.pin_memory(), labels.pin_memory()
        sent = pixels.to(device, non_blocking=True)
        return _batch(render_views(sent, raw.views, augmenter), labels.to(device, non_blocking=True))

    for tensors in on_side_stream(raw_batches, send, device):
        yield Batch(*tensors)


def _raw_batches(images: TrainingImages, batching: Batching, rng: Generator) -> Iterator[RawBatch]:
    counts, augmenter = (batching.identities, batching.images), batching.augmenter
    for rows, infrared_rows in identity_batches(images.visible.labels, images.infrared.labels, *counts, rng):
        visible, infrared = images.visible.pixels(rows), images.infrared.pixels(infrared_rows)
        shape = visible.shape[1:]
        kinds = (augmenter.draw_visible, augmenter.draw_exchanged, augmenter.draw_infrared)
        draws = [[draw(shape, rng) for draw in kinds] for _ in visible]
        views = [view for kind in zip(*draws, strict=True) for view in kind]
        yield RawBatch(np.concatenate([visible, visible, infrared]), views, images.visible.labels[rows])


def _render(raw: RawBatch, augmenter: Augmenter) -> torch.Tensor:
    out = np.empty(raw.pixels.shape, dtype=np.float32)
    for image, view, target in zip(raw.pixels, raw.views, out, strict=True):
        augmenter.render(image, view, target)
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _batch(rendered: torch.Tensor, labels: torch.Tensor) -> Batch:
    count = len(labels)
    return Batch(rendered[: 2 * count], rendered[2 * count :], labels)
