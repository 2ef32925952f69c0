"""Supervised contrastive loss between two sets of features."""

import torch

from csdn.losses.distances import same_identity


def supervised_contrastive_loss(
    a: torch.Tensor, b: torch.Tensor, ids_a: torch.Tensor, ids_b: torch.Tensor, *, temperature: float = 1.0
) -> torch.Tensor:
    """Mean negative log-probability that a row of `a` picks the rows of `b` with its identity.

    `-mean_i mean_{j in P(i)} log softmax_j(<a_i, b_j> / temperature)`, CSDN equations 3 and 4 (one direction).

    Args:
        a: (N, dim); b: (M, dim). Features are not normalised here; pass unit vectors for cosine logits.
        ids_a: (N,); ids_b: (M,) integer identities. Rows of `a` without a positive in `b` are skipped.

    Returns:
        A scalar; 0 if no row has a positive.
    """
    log_probabilities = (a @ b.T / temperature).log_softmax(1)
    positive = same_identity(ids_a, ids_b).to(log_probabilities.dtype)
    counts = positive.sum(1)
    per_row = (log_probabilities * positive).sum(1) / counts.clamp(min=1)
    return -per_row.sum() / (counts > 0).sum().clamp(min=1)


def symmetric_contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor, *, temperature: float = 1.0
) -> torch.Tensor:
    """Image-to-text plus text-to-image loss of paired rows: images (N, dim), texts (N, dim), identities (N,)."""
    forward = supervised_contrastive_loss(images, texts, person_ids, person_ids, temperature=temperature)
    backward = supervised_contrastive_loss(texts, images, person_ids, person_ids, temperature=temperature)
    return forward + backward
