"""Image features that stage 1 learns from: those of un-augmented training images by the frozen network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from csdn.data.image_cache import ModalityImages, TrainingImages
from csdn.data.sampling import identity_batches
from csdn.models.clip_backbone import ImageTower, as_images, normalize_images
from csdn.models.inference import project_images
from csdn.training.prompt_stage import StageOneImages

EMBED_BATCH = 256
IDENTITIES, IMAGES = 8, 4  # in a batch, for each modality, as in the authors' data_loader/loader.py

Progress = Callable[[int], None]


def stage_one_images(
    backbone: ImageTower,
    images: TrainingImages,
    rng: np.random.Generator,
    device: torch.device,
    progress: Progress,
    *,
    sampled: bool,
    training: bool,
    normalization: str,
) -> StageOneImages:
    """Features of every training image once, in evaluation mode, or by the authors' procedure.

    Args:
        backbone: its parameters and running statistics do not change.
        rng: draws the batches, if `sampled` or `training`.
        sampled: uses the images of one pass of the identity sampler: some several times, others never.
        training: normalises with the statistics of each batch of one modality.
    """
    if not sampled and not training:
        return _all_images(backbone, images, normalization, device, progress)
    if training:
        backbone = copy.deepcopy(backbone)  # training mode changes running statistics
    backbone.train(training)
    sides = zip(*(sampler_pass if sampled else shuffled_pass)(images, rng), strict=True)
    made = []
    for (side, is_infrared), batches in zip(((images.visible, False), (images.infrared, True)), sides, strict=True):
        features = _project(backbone, side, batches, is_infrared, normalization, device, progress)
        made += [torch.cat(list(features)), side.labels[np.concatenate(batches)]]
    return StageOneImages(*made)


def sampler_pass(images: TrainingImages, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions in the visible and the infrared images of each batch of one pass of the identity sampler."""
    visible, infrared = images.visible.labels, images.infrared.labels
    identities = min(IDENTITIES, len(np.intersect1d(visible, infrared)))
    return identity_batches(visible, infrared, identities, IMAGES, rng)


def shuffled_pass(images: TrainingImages, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of every image once, shuffled, in batches no larger than those of the sampler."""
    count = -(-max(len(images.visible), len(images.infrared)) // (IDENTITIES * IMAGES))
    sides = [np.array_split(rng.permutation(len(side)), count) for side in (images.visible, images.infrared)]
    return zip(*sides, strict=True)


def count_images(images: TrainingImages, *, sampled: bool) -> int:
    """Number of images that `stage_one_images` embeds."""
    visible, infrared = len(images.visible), len(images.infrared)
    if not sampled:
        return visible + infrared
    per_batch = IMAGES * min(IDENTITIES, len(np.intersect1d(images.visible.labels, images.infrared.labels)))
    return 2 * per_batch * (max(visible, infrared) // per_batch + 1)


def _all_images(
    backbone: ImageTower, images: TrainingImages, normalization: str, device: torch.device, progress: Progress
) -> StageOneImages:
    rows = np.concatenate([images.visible.rows, images.infrared.rows])
    infrared_rows = np.arange(len(rows)) >= len(images.visible)
    options: dict[str, Any] = {"batch": EMBED_BATCH, "normalization": normalization, "device": device}
    features = project_images(backbone, images.visible.cache, rows, infrared_rows, **options, progress=progress)
    both = torch.from_numpy(features).to(device)
    visible, infrared = both[: len(images.visible)], both[len(images.visible) :]
    return StageOneImages(visible, images.visible.labels, infrared, images.infrared.labels)


@torch.no_grad()
def _project(
    backbone: ImageTower,
    images: ModalityImages,
    batches: Sequence[np.ndarray],
    is_infrared: bool,
    normalization: str,
    device: torch.device,
    progress: Progress,
) -> Iterator[torch.Tensor]:
    """Projected features (n, embed) of each batch of one modality, in the current mode of `backbone`."""
    for positions in batches:
        pixels = normalize_images(as_images(images.pixels(positions)).to(device), normalization)
        nothing = pixels[:0]
        maps = backbone(nothing, pixels) if is_infrared else backbone(pixels, nothing)
        yield backbone.project(maps).float()
        progress(len(positions))
