"""The visual network: two-stream CLIP tower, two features per image, and their heads (docs/method.md)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from csdn.losses.distances import single
from csdn.models.clip_backbone import ImageTower


class Features(NamedTuple):
    """Raw features of a batch.

    `pooled` (N, C) is the generalised mean of a ResNet's map, or a transformer's class token after its final norm;
    `projected` (N, embed) is in CLIP's joint space.
    """

    pooled: torch.Tensor
    projected: torch.Tensor


class IdentityHead(nn.Module):
    """BN neck and bias-free classifier; cosine logits times `scale`, or linear logits if scale is None."""

    def __init__(self, dim: int, identities: int, scale: float | None, generator: torch.Generator) -> None:
        super().__init__()
        self.neck = nn.BatchNorm1d(dim)
        self.weight = nn.Parameter(torch.empty(identities, dim))
        nn.init.normal_(self.weight, std=0.001, generator=generator)
        self.scale = scale

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features (N, dim) -> identity logits (N, identities)."""
        features = self.neck(features)
        if self.scale is None:
            return F.linear(features, self.weight)
        return self.scale * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))


class ReIDNetwork(nn.Module):
    """Backbone, pooling (GeM of a ResNet's map) and one head for each of the two features.

    Args:
        backbone: two-stream CLIP image tower.
        identities: number of training identities.
        classifier_scale: scale of cosine classifiers; None for the paper's linear ones.
        descriptor: "reference" concatenates L2(BN(pooled)) and L2(projected); "both_necks" also applies the BN neck
            of projected.
        generator: draws the classifiers' initial weights from N(0, 0.001).
    """

    def __init__(
        self,
        backbone: ImageTower,
        *,
        identities: int,
        classifier_scale: float | None,
        descriptor: str,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.pooling = backbone.build_pooling()
        self.pooled_head = IdentityHead(backbone.channels, identities, classifier_scale, generator)
        self.projected_head = IdentityHead(backbone.embed_dim, identities, classifier_scale, generator)
        self.descriptor = descriptor

    def forward(self, visible: torch.Tensor, infrared: torch.Tensor) -> Features:
        """Visible (N, 3, H, W) and infrared (M, 3, H, W) images -> features of N + M images in that order."""
        maps = self.backbone(visible, infrared)
        return Features(self.pooling(maps), single(self.backbone.project(maps)))

    def classify(self, features: Features) -> tuple[torch.Tensor, torch.Tensor]:
        """Identity logits of both heads, (N, identities) each."""
        return self.pooled_head(features.pooled), self.projected_head(features.projected)

    def describe(self, features: Features) -> torch.Tensor:
        """Retrieval descriptor (N, C + embed): two concatenated unit vectors."""
        pooled, projected = self.pooled_head.neck(features.pooled), features.projected
        if self.descriptor == "both_necks":
            projected = self.projected_head.neck(projected)
        return torch.cat([F.normalize(pooled, dim=1), F.normalize(projected, dim=1)], dim=1)
