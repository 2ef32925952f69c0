"""Settings of a step unpacked into what models and training are given: they know nothing of params.yaml."""

from __future__ import annotations

from pathlib import Path

from open_clip.model import CLIP

from csdn.artifacts.shipped import checked_shipped_clip
from csdn.config.base import MINI, SHIPPED
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.data.transforms import Augmenter
from csdn.errors import UserError
from csdn.models.clip_backbone import MEAN_STD, load_clip, load_small_clip, random_clip
from csdn.steps.settings import Computed
from csdn.training.batches import Batching
from csdn.training.encoder_stage import EncoderLoss, EncoderOptimization
from csdn.training.prompt_stage import StageOneOptimization


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
    if clip.model != MINI or not (clip.weights_path or clip.weights in (MINI, SHIPPED)):
        return load_clip(clip.architecture, Path(clip.weights_path) if clip.weights_path else clip.weights, size)
    if clip.weights == SHIPPED:
        path: Path | None = checked_shipped_clip()
    else:
        path = Path(clip.weights_path) if clip.weights_path else small
    if path is None:
        raise UserError("clip.weights: `mini` needs the pre-trained small CLIP; give --clip clip.safetensors")
    return load_small_clip(clip.mini.model_dump(), path, size, trained_size=clip.image_size)


def stage_one_optimization(section: Prompts | Fusion) -> StageOneOptimization:
    """How stage 1a or 1b trains."""
    return section.part(StageOneOptimization, scale=section.scale if section.logits == "cosine" else None)


def encoder_arguments(encoder: Encoder, fidelity: Fidelity) -> tuple[Batching, EncoderLoss, EncoderOptimization]:
    """What stage 2 trains with: its batches, what it minimises, and its steps."""
    (mean, std), late = MEAN_STD[fidelity.normalization], fidelity.normalization == "imagenet"
    augmenter = Augmenter(**encoder.augmentation.model_dump(), mean=mean, std=std, erase_after_normalization=late)
    loss = encoder.part(
        EncoderLoss,
        weights=encoder.weights.model_dump(),
        triplet_denominator_floor=fidelity.triplet_denominator_floor,
        semantic_scale=encoder.semantic_scale if encoder.semantic_logits == "cosine" else None,
    )
    optimization = encoder.part(EncoderOptimization, decay_everything=fidelity.decay_everything)
    return Batching(encoder.identities, encoder.images, augmenter), loss, optimization
