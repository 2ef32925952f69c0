"""Identity classification."""

import torch
import torch.nn.functional as F

from csdn.losses.distances import single


def identity_loss(logits: torch.Tensor, person_ids: torch.Tensor, *, label_smoothing: float = 0.0) -> torch.Tensor:
    """Cross-entropy of identity logits (N, identities) against labels (N,) in [0, identities)."""
    return F.cross_entropy(single(logits), person_ids, label_smoothing=label_smoothing)
