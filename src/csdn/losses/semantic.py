"""High-level semantic embedding (HSE): visual features are pulled to the text features of the descriptions.

Every loss takes `projected`, one modality's image features in CLIP's joint space (N, dim); `texts`, the constant text
features of one description for each training identity (identities, dim); and `person_ids`, the row of each image's own
description (N,). It returns a scalar. The method uses cross-entropy; the others are alternatives to compare it with.
"""

import torch
import torch.nn.functional as F

from csdn.losses.contrastive import supervised_contrastive_loss
from csdn.losses.distances import same_identity, single


def semantic_embedding_loss(
    projected: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor, *, scale: float | None = None
) -> torch.Tensor:
    """Cross-entropy of images over the descriptions of all training identities (CSDN equation 11).

    Args:
        scale: None for raw dot products (the paper); a number multiplies cosine logits instead.
    """
    projected, texts = _scaled(projected, texts, scale)
    return F.cross_entropy(projected @ texts.T, person_ids)


def semantic_contrastive_loss(
    projected: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor, *, scale: float | None = None
) -> torch.Tensor:
    """Supervised contrastive loss between the images and the descriptions of the identities in the batch, both ways.

    Image to text competes with the batch's other identities only; text to image covers all images of its person.
    Source: Khosla et al., NeurIPS 2020, equation 2, between two modalities as in CSDN equations 3 and 4.

    Args:
        scale: None for raw dot products; a number multiplies cosine logits instead.
    """
    present = person_ids.unique()
    images, descriptions = _scaled(projected, texts[present], scale)
    to_text = supervised_contrastive_loss(images, descriptions, person_ids, present)
    return to_text + supervised_contrastive_loss(descriptions, images, present, person_ids)


def cosine_regression_loss(projected: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor) -> torch.Tensor:
    """Mean of 1 - cosine similarity between an image and its own description; other descriptions do not push it away.

    In [0, 2]; half of the normalised regression of BYOL (Grill et al., NeurIPS 2020, equation 2).
    """
    return (1 - F.cosine_similarity(single(projected), single(texts[person_ids]), dim=1)).mean()


def mse_regression_loss(projected: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor) -> torch.Tensor:
    """Mean squared difference between an image's raw feature and its own raw description, over images and dimensions.

    At least 0; the regression of FitNets' hints (Romero et al., ICLR 2015, equation 3), as a mean.
    """
    return F.mse_loss(single(projected), single(texts[person_ids]))


def text_triplet_loss(
    projected: torch.Tensor, texts: torch.Tensor, person_ids: torch.Tensor, *, margin: float = 0.2
) -> torch.Tensor:
    """Hinge between an image's own description and the hardest other one, among those of all training identities.

    `mean_i max(0, margin + max_{k != y_i} cos(img_i, txt_k) - cos(img_i, txt_{y_i}))`.
    Source: VSE++ (Faghri et al., BMVC 2018), equation 6, image-to-text half only, as descriptions are constants here.

    Args:
        texts: at least two.
        margin: in cosine similarity.
    """
    similarity = F.normalize(single(projected), dim=1) @ F.normalize(single(texts), dim=1).T
    own = same_identity(person_ids, torch.arange(len(texts), device=texts.device))
    hardest = similarity.masked_fill(own, -torch.inf).amax(1)
    return (margin + hardest - (similarity * own).sum(1)).clamp(min=0).mean()


def _scaled(images: torch.Tensor, texts: torch.Tensor, scale: float | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Features whose dot products are the logits: raw dot products, or cosines times `scale`."""
    images, texts = single(images), single(texts)
    if scale is None:
        return images, texts
    return scale * F.normalize(images, dim=1), F.normalize(texts, dim=1)
