"""How an encoder stands to the descriptions that it is trained with: measured before and after its training."""

from __future__ import annotations

import math

import numpy as np
import torch

from csdn.config.layouts import MODALITIES
from csdn.data.image_cache import ModalityImages, TrainingImages
from csdn.models.inference import project_images
from csdn.models.reid_network import ReIDNetwork
from csdn.seeding import derive_seed
from csdn.steps.training import TrainEncoder
from csdn.training.encoder_stage import Descriptions
from csdn.training.prompt_stage import StageOneImages, description_accuracy, description_cosine

IMAGES = 1000  # of each modality at most
BATCH = 256


class DescriptionProbe:
    """Un-augmented training images, against the descriptions that pull them.

    Args:
        settings: of the training; its seed draws the images.
        images: all images of the training.
        descriptions: those that the encoder is trained with, so permuted or random ones where it is these.
    """

    def __init__(
        self, settings: TrainEncoder, images: TrainingImages, descriptions: Descriptions, device: torch.device
    ) -> None:
        rng = np.random.default_rng(derive_seed(settings.seed, "descriptions", settings.dataset, settings.split))
        self._sides = (_some(images.visible, rng), _some(images.infrared, rng))
        self._settings, self._texts, self._device = settings, descriptions, device

    def nearest(self, network: ReIDNetwork) -> dict[str, float]:
        """By modality, the share of images whose own description has the largest cosine to their feature."""
        visible, infrared = self._sides
        features = (self._features(network, visible, False), self._features(network, infrared, True))
        images = StageOneImages(features[0], visible.labels, features[1], infrared.labels)
        shares = description_accuracy(images, self._texts.visible, self._texts.infrared, scale=1.0)
        return {name: shares[f"accuracy_{name}"] for name in MODALITIES}

    def columns(self, before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
        """What history.csv says in its last row, given the shares of `nearest` before and after the training."""
        cosine = description_cosine(self._texts.visible, self._texts.infrared)
        out = {"description_cosine": cosine}
        if self._settings.encoder.semantic_loss == "cross_entropy":  # only this one chooses among all identities
            out["description_chance"] = math.log(len(self._texts.visible))
        for name in MODALITIES:
            out |= {f"description_{name}_before": before[name], f"description_{name}_after": after[name]}
        return out

    def _features(self, network: ReIDNetwork, side: ModalityImages, is_infrared: bool) -> torch.Tensor:
        """Features (n, embed) of one modality's images in CLIP's joint space."""
        normalization, infrared = self._settings.fidelity.normalization, np.full(len(side), is_infrared)
        given = (network.backbone, side.cache, side.rows, infrared)
        features = project_images(*given, batch=BATCH, normalization=normalization, device=self._device)
        return torch.from_numpy(features).to(self._device)


def _some(side: ModalityImages, rng: np.random.Generator) -> ModalityImages:
    chosen = np.sort(rng.choice(len(side), min(IMAGES, len(side)), replace=False))
    return ModalityImages(side.cache, side.rows[chosen], side.labels[chosen])
