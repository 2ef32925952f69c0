"""Training losses: tensors in, a scalar out."""

from csdn.losses.contrastive import supervised_contrastive_loss, symmetric_contrastive_loss
from csdn.losses.identity import identity_loss
from csdn.losses.modality import modality_shared_enhancement_loss
from csdn.losses.semantic import (
    cosine_regression_loss,
    mse_regression_loss,
    semantic_contrastive_loss,
    semantic_embedding_loss,
    text_triplet_loss,
)
from csdn.losses.triplet import weighted_regularization_triplet_loss

__all__ = [
    "cosine_regression_loss",
    "identity_loss",
    "modality_shared_enhancement_loss",
    "mse_regression_loss",
    "semantic_contrastive_loss",
    "semantic_embedding_loss",
    "supervised_contrastive_loss",
    "symmetric_contrastive_loss",
    "text_triplet_loss",
    "weighted_regularization_triplet_loss",
]
