"""Batches of stage 2: who is in them, and their augmented pixels, made where the network computes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.data.device_transforms import render_views
from csdn.data.image_cache import TrainingImages
from csdn.data.prefetch import on_side_stream
from csdn.data.sampling import identity_batches
from csdn.data.transforms import Augmenter, View
from csdn.models.clip_backbone import MEAN_STD

CPU = torch.device("cpu")


class Batch(NamedTuple):
    """Augmented images: the visible ones twice (second view channel-exchanged), then infrared; labels (B,)."""

    visible: torch.Tensor
    infrared: torch.Tensor
    labels: torch.Tensor


class Plan(NamedTuple):
    """A batch before augmentation: uint8 images (3 B, H, W, 3) in the order of `Batch`, their views, labels (B,)."""

    pixels: np.ndarray
    views: list[View]
    labels: np.ndarray


def build_augmenter(settings: Encoder, fidelity: Fidelity) -> Augmenter:
    """The augmentation of the settings, with the normalisation of `fidelity`."""
    mean, std = MEAN_STD[fidelity.normalization]
    return Augmenter(
        **settings.augmentation.model_dump(),
        mean=mean,
        std=std,
        erase_after_normalization=fidelity.normalization == "imagenet",
    )


def augmented_batches(
    images: TrainingImages,
    settings: Encoder,
    augmenter: Augmenter,
    rng: np.random.Generator,
    device: torch.device = CPU,
) -> Iterator[Batch]:
    """One epoch of batches; every view is cropped, mirrored and erased independently.

    The same random numbers are drawn for every device. On a GPU the images travel as uint8 and are augmented there,
    some batches ahead of the training step; `rng` is then ahead too, but for the end of the epoch.
    """
    plans = _plans(images, settings, augmenter, rng)
    if device.type != "cpu":
        yield from batches_on_device(plans, augmenter, device)
        return
    for plan in plans:
        yield _batch(_render(plan, augmenter), torch.from_numpy(plan.labels))


def batches_on_device(plans: Iterable[Plan], augmenter: Augmenter, device: torch.device) -> Iterator[Batch]:
    """Batches augmented on `device`, made ahead of their use."""

    def send(plan: Plan) -> Batch:
        pixels, labels = torch.from_numpy(plan.pixels), torch.from_numpy(plan.labels)
        if device.type == "cuda":  # only from pinned memory is a copy asynchronous
            pixels, labels = pixels.pin_memory(), labels.pin_memory()
        sent = pixels.to(device, non_blocking=True)
        return _batch(render_views(sent, plan.views, augmenter), labels.to(device, non_blocking=True))

    for tensors in on_side_stream(plans, send, device):
        yield Batch(*tensors)


def _plans(images: TrainingImages, settings: Encoder, augmenter: Augmenter, rng: np.random.Generator) -> Iterator[Plan]:
    batches = identity_batches(images.visible.labels, images.infrared.labels, settings.identities, settings.images, rng)
    for visible, infrared in batches:
        seen, thermal = images.visible.pixels(visible), images.infrared.pixels(infrared)
        shape = seen.shape[1:]
        draws = [
            (
                augmenter.draw_visible(shape, rng),
                augmenter.draw_exchanged(shape, rng),
                augmenter.draw_infrared(shape, rng),
            )
            for _ in range(len(seen))
        ]
        views = [view for kind in zip(*draws, strict=True) for view in kind]
        yield Plan(np.concatenate([seen, seen, thermal]), views, images.visible.labels[visible])


def _render(plan: Plan, augmenter: Augmenter) -> torch.Tensor:
    out = np.empty(plan.pixels.shape, dtype=np.float32)
    for image, view, target in zip(plan.pixels, plan.views, out, strict=True):
        augmenter.render(image, view, target)
    return torch.from_numpy(out).permute(0, 3, 1, 2)


def _batch(rendered: torch.Tensor, labels: torch.Tensor) -> Batch:
    count = len(labels)
    return Batch(rendered[: 2 * count], rendered[2 * count :], labels)
