"""The CLIP that a step starts from, as its settings say."""

from __future__ import annotations

from pathlib import Path

from open_clip.model import CLIP

from csdn.config.base import MINI
from csdn.errors import UserError
from csdn.models.clip_backbone import load_clip, load_small_clip, random_clip
from csdn.steps.settings import Computed


def starting_clip(settings: Computed, small: Path | None) -> CLIP:
    """CLIP with its weights, adapted to the step's images, frozen and in evaluation mode.

    Args:
        small: clip.safetensors of the pre-training step; needed when `clip.weights` is `mini`.

    Raises:
        UserError: the model or its weights are wrong or missing, or the size of the images does not fit.
    """
    clip, size = settings.clip, settings.image_size
    if clip.weights == "random":
        return random_clip(clip.architecture, size, seed=settings.seed)
    if clip.model != MINI:
        return load_clip(clip.architecture, Path(clip.weights_path) if clip.weights_path else clip.weights, size)
    path = Path(clip.weights_path) if clip.weights_path else small
    if path is None:
        raise UserError("clip.weights: `mini` needs the pre-trained small CLIP; give --clip clip.safetensors")
    return load_small_clip(clip.mini.model_dump(), path, size, trained_size=clip.image_size)
