"""Features of images: each image once, with its mirrored image, by a network with its BN folded away."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from csdn.data.prefetch import on_side_stream
from csdn.models.clip_backbone import ImageTower, as_images, normalize_images
from csdn.models.device import autocast, products_in
from csdn.models.folding import folded
from csdn.models.reid_network import Features, ReIDNetwork


@torch.inference_mode()
def embed_images(
    network: ReIDNetwork,
    cache: np.ndarray,
    rows: np.ndarray,
    infrared: np.ndarray,
    *,
    batch: int,
    flip: bool,
    normalization: str,
    device: torch.device,
    precision: str = "fp32",
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Retrieval descriptors of the images at `rows` of the cache, float32 (len(rows), dim).

    Args:
        cache: uint8 (images, H, W, 3).
        rows: (N,) rows of the cache; infrared: (N,) bool, which stem an image goes through.
        flip: append the descriptor of the mirrored image (docs/method.md).
        precision: of matrix products: `auto`, `fp32`, `tf32` or `bf16`; the necks compute in float32.
    """
    lean = folded(network).to(memory_format=torch.channels_last)

    def features_of(visible: torch.Tensor, infrared: torch.Tensor) -> Features:
        with products_in(precision), autocast(device, precision):
            return Features(*(feature.float() for feature in lean(visible, infrared)))

    def describe(visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        parts = [lean.describe(features_of(visible, infrared))]
        if flip:
            parts.append(lean.describe(features_of(visible.flip(3), infrared.flip(3))))
        return torch.cat(parts, dim=1)

    return _run(describe, cache, rows, infrared, batch, normalization, device, progress)


@torch.inference_mode()
def project_images(
    backbone: ImageTower,
    cache: np.ndarray,
    rows: np.ndarray,
    infrared: np.ndarray,
    *,
    batch: int,
    normalization: str,
    device: torch.device,
    progress: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Features of un-augmented images in CLIP's joint space, float32 (len(rows), embed), network in eval mode."""
    lean = folded(backbone).to(memory_format=torch.channels_last)

    @products_in("fp32")
    def project(visible: torch.Tensor, infrared: torch.Tensor) -> torch.Tensor:
        return lean.project(lean(visible, infrared))

    return _run(project, cache, rows, infrared, batch, normalization, device, progress)


def _run(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    cache: np.ndarray,
    rows: np.ndarray,
    infrared: np.ndarray,
    batch: int,
    normalization: str,
    device: torch.device,
    progress: Callable[[int], None] | None,
) -> np.ndarray:
    out: np.ndarray | None = None
    batches = list(_single_modality_batches(infrared, batch))

    def load(positions: np.ndarray) -> tuple[torch.Tensor]:
        images = as_images(cache[rows[positions]])
        if device.type == "cuda":  # copies are asynchronous only from pinned memory
            images = images.pin_memory()
        return (normalize_images(images.to(device, non_blocking=True), normalization),)

    places = (positions for positions, _ in batches)
    loaded = (load(own) for own in places) if device.type == "cpu" else on_side_stream(places, load, device)
    for (positions, is_infrared), (images,) in zip(batches, loaded, strict=True):
        nothing = images[:0]
        features = function(nothing, images) if is_infrared else function(images, nothing)
        if out is None:
            out = np.empty((len(rows), features.shape[1]), dtype=np.float32)
        out[positions] = features.float().cpu().numpy()
        if progress:
            progress(len(positions))
    if out is None:
        raise ValueError("no image to embed")
    return out


def _single_modality_batches(infrared: np.ndarray, batch: int) -> Iterator[tuple[np.ndarray, bool]]:
    for is_infrared in (False, True):
        positions = np.flatnonzero(infrared == is_infrared)
        for start in range(0, len(positions), batch):
            yield positions[start : start + batch], is_infrared
