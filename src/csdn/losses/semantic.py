"""High-level semantic embedding (HSE): visual features are pulled to the descriptions."""

import torch
import torch.nn.functional as F


def semantic_embedding_loss(
    projected: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor, *, scale: float | None = None
) -> torch.Tensor:
    """Cross-entropy of images over the descriptions of all training identities (CSDN equation 11).

    Args:
        projected: image features in CLIP's joint space (N, dim).
        texts: one description an identity (identities, dim), constants.
        person_ids: (N,) rows of `texts`.
        scale: None for raw dot products (the paper); a number multiplies cosine logits instead.

    Returns:
        A scalar.
    """
    projected, texts = projected.float(), texts.float()
    if scale is not None:
        projected, texts = scale * F.normalize(projected, dim=1), F.normalize(texts, dim=1)
    return F.cross_entropy(projected @ texts.T, person_ids)
