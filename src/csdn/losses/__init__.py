"""Training losses: tensors in, a scalar out."""

from csdn.losses.contrastive import supervised_contrastive_loss, symmetric_contrastive_loss
from csdn.losses.identity import identity_loss
from csdn.losses.modality import modality_shared_enhancement_loss
from csdn.losses.semantic import semantic_embedding_loss
from csdn.losses.triplet import weighted_regularization_triplet_loss

__all__ = [
    "identity_loss",
    "modality_shared_enhancement_loss",
    "semantic_embedding_loss",
    "supervised_contrastive_loss",
    "symmetric_contrastive_loss",
    "weighted_regularization_triplet_loss",
]
