"""Modality-shared enhancement loss (MSEL)."""

import torch
import torch.nn.functional as F

from csdn.losses.distances import euclidean_distances, same_identity


def modality_shared_enhancement_loss(
    visible: torch.Tensor, infrared: torch.Tensor, person_ids: torch.Tensor, *, normalize: bool = False
) -> torch.Tensor:
    """Make the distances within a modality and across modalities equal for each identity.

    For each anchor: the squared difference between its mean distance to the other images of its identity in its own
    modality and its mean distance to those in the other modality; averaged over anchors, then over both modalities.
    Anchors that are the only image of their identity in the modality are skipped.
    Source: PMT (Lu et al., AAAI 2023), equation 6.

    Args:
        visible: (N, dim); infrared: (N, dim); person_ids: (N,), which apply to the rows of both.
        normalize: L2-normalise the features first.

    Returns:
        A scalar; 0 if every anchor is skipped.
    """
    if normalize:
        visible, infrared = F.normalize(visible, dim=1), F.normalize(infrared, dim=1)
    same = same_identity(person_ids, person_ids).to(visible.dtype)
    others = same - torch.eye(len(person_ids), dtype=visible.dtype, device=visible.device)
    counted = others.sum(1) > 0
    across = euclidean_distances(visible, infrared)
    total = visible.new_zeros(())
    for own, cross in ((visible, across), (infrared, across.T)):
        intra = (euclidean_distances(own, own) * others).sum(1) / others.sum(1).clamp(min=1)
        inter = (cross * same).sum(1) / same.sum(1)
        total = total + ((intra - inter).square() * counted).sum() / counted.sum().clamp(min=1)
    return total / 2
