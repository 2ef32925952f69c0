"""The section `fusion` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from csdn.config.base import Count, Fraction, GradientClip, Rate, StageOneSchedule, Strict, Weight


class Fusion(Strict):
    """Stage 1b: semantic information integration of the two modalities' descriptions (docs/method.md, SII)."""

    kind: Literal["none", "reference", "attention", "mean", "sum", "concat"] = Field(
        "reference",
        description="How two descriptions become one: the paper's formula, attention over both, or simpler; `none` "
        "keeps one for each modality.",
    )
    heads: Count = Field(4, description="Number of heads of `attention`.")
    dropout: Fraction = 0.1
    epochs: Count = 60
    batch: int = Field(64, ge=2, description="Images of both modalities in a batch.")
    learning_rate: Rate = 3e-4
    weight_decay: Weight = 1e-4
    logits: Literal["cosine", "dot"] = Field("cosine", description="Similarity of images and descriptions in the loss.")
    scale: Weight = Field(14.0, description="Factor on cosine logits.")
    schedule: StageOneSchedule = "reference"
    gradient_clip: GradientClip = None

    @property
    def trained(self) -> bool:
        """Whether it has parameters that are trained."""
        return self.kind not in ("none", "mean", "sum")
