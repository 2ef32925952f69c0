"""Weighted regularisation triplet (WRT)."""

import torch
import torch.nn.functional as F

from csdn.losses.distances import euclidean_distances, same_identity


def weighted_regularization_triplet_loss(
    features: torch.Tensor, person_ids: torch.Tensor, *, normalize: bool = False, denominator_floor: float = 0.0
) -> torch.Tensor:
    """Softplus of the softly hardest positive minus the softly hardest negative distance, mean over anchors.

    Each anchor weights its positives (itself included) by softmax(d) and its negatives by softmax(-d).
    Source: AGW (Ye et al., TPAMI 2022), equation 4.

    Args:
        features: (N, dim).
        person_ids: (N,) integer identities; every anchor needs a negative in the batch.
        normalize: L2-normalise the features first.
        denominator_floor: added to the sums of unnormalised weights; 1e-6 reproduces the authors' code, in which the
            weights of negatives vanish at distances above about 15.

    Returns:
        A scalar.
    """
    if normalize:
        features = F.normalize(features, dim=1)
    distances = euclidean_distances(features, features)
    positive = same_identity(person_ids, person_ids)
    to_positives = (distances * _weights(distances, positive, denominator_floor, shift=True)).sum(1)
    to_negatives = (distances * _weights(-distances, ~positive, denominator_floor, shift=False)).sum(1)
    return F.softplus(to_positives - to_negatives).mean()


def _weights(scores: torch.Tensor, mask: torch.Tensor, floor: float, *, shift: bool) -> torch.Tensor:
    """Softmax over the masked entries of each row; with a floor, as in the authors' code (shift for positives only)."""
    if floor == 0.0:
        return scores.masked_fill(~mask, -torch.inf).softmax(1).masked_fill(~mask, 0.0)
    if shift:
        scores = scores - (scores * mask).amax(1, keepdim=True)
    exponentials = scores.exp() * mask
    return exponentials / (exponentials.sum(1, keepdim=True) + floor)
