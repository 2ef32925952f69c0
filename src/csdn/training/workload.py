"""How much a training computes: the costs of the modules times the number of their uses in each stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from csdn.data.sampling import batches_in_epoch
from csdn.models.costs import ENCODER, FUSION, PROMPTS, ModuleCost

VIEWS = 3  # in a batch of stage 2: two of each visible image and one of each infrared image


Passes = tuple[int, int]  # epochs of a stage and images in its batches: of each modality, but in stage 1b of both


def training_flops(
    costs: Sequence[ModuleCost], counts: tuple[int, int, int], passes: Mapping[str, Passes], banks: int
) -> dict[str, int]:
    """Operations of each stage's optimiser steps, and of the image features that stages 1a and 1b extract once each.

    Validation and the accuracy that stage 1 reports are not counted. A batch of stage 1a computes the description of
    each of its identities once; their number is estimated as if images were drawn independently.

    Args:
        costs: of the modules that are used; a stage without any costs nothing.
        counts: of visible and infrared training images, and of identities, which are assumed equally frequent.
        passes: of each stage; banks: sets of learned prompts, one for both modalities or one for each.
    """
    visible, infrared, identities = counts
    epochs, batch = ({stage: own[part] for stage, own in passes.items()} for part in (0, 1))
    images = visible * image_flops(costs, "visible") + infrared * image_flops(costs, "infrared")
    text = sum(cost.training_flops for cost in costs if cost.stage == PROMPTS)
    fused = sum(cost.training_flops for cost in costs if cost.stage == FUSION)
    distinct = identities * (1 - (1 - 1 / identities) ** min(batch[PROMPTS], max(visible, infrared)))
    descriptions = epochs[PROMPTS] * max(max(visible, infrared) // batch[PROMPTS], 1) * banks * distinct
    fusions = epochs[FUSION] * max((visible + infrared) // batch[FUSION], 1) * batch[FUSION]
    steps = epochs[ENCODER] * batches_in_epoch(visible, infrared, batch[ENCODER])
    return {
        PROMPTS: (images + round(descriptions * text)) if text else 0,
        FUSION: (images + fusions * fused) if fused else 0,
        ENCODER: steps * batch[ENCODER] * step_flops(costs),
    }


def image_flops(costs: Sequence[ModuleCost], modality: str) -> int:
    """Forward operations of one image of `modality` up to its two features."""
    wanted = (f"{modality} stem", "trunk", "attention pool", "projection")
    return sum(cost.forward_flops for cost in costs if cost.stage == ENCODER and cost.module in wanted)


def step_flops(costs: Sequence[ModuleCost]) -> int:
    """Forward and backward operations of stage 2 for each image of a modality in a batch, that is for three views."""
    return sum(uses * cost.training_flops for cost, uses in _used(costs))


def step_activation_bytes(costs: Sequence[ModuleCost], batch: int) -> int:
    """Bytes that a step of stage 2 keeps for its backward pass, in float32, without the losses' own matrices."""
    return batch * sum(uses * cost.activation_bytes for cost, uses in _used(costs))


def _used(costs: Sequence[ModuleCost]) -> list[tuple[ModuleCost, int]]:
    """Each module of stage 2 with the number of the three views that use it; HSE uses one of each modality."""
    uses = {"visible stem": 2, "infrared stem": 1, "HSE": 2}
    return [(cost, uses.get(cost.module, VIEWS)) for cost in costs if cost.stage == ENCODER]
