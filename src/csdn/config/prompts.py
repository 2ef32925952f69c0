"""The section `prompts` of params.yaml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from csdn.config.base import Count, GradientClip, Rate, StageOneSchedule, Strict, Weight


class Prompts(Strict):
    """Stage 1a: learnable descriptions of each identity (docs/method.md, MsPL and shared prompt)."""

    kind: Literal["specific", "shared", "caption", "centroid"] = Field(
        "specific",
        description="One bank for each modality, or one for both. Without learning: the embedded benchmark's captions, "
        "or the mean of the frozen image features of the identity, in which there is no language.",
    )
    template: str = Field("A photo of a {} person.", description="Prompt; the learnable tokens replace {}.")
    tokens: int = Field(4, ge=1, le=32, description="Learnable tokens of an identity and modality.")
    epochs: Count = 60
    batch: int = Field(32, ge=2, description="Images of each modality in a batch.")
    positives: Literal["both", "own_modality"] = Field(
        "both",
        description="Texts that an image is pulled to: those of its identity in both modalities, or the one of its own "
        "modality, so that the other becomes a negative and the two descriptions can differ (`specific` only).",
    )
    learning_rate: Rate = 3e-4
    weight_decay: Weight = 1e-4
    logits: Literal["cosine", "dot"] = Field("cosine", description="Unit features times scale, or raw dot products.")
    scale: Weight = Field(14.0, description="Factor on cosine logits.")
    schedule: StageOneSchedule = "reference"
    gradient_clip: GradientClip = None

    @property
    def learned(self) -> bool:
        """Whether any token is learned; captions and centroids are taken as they are."""
        return self.kind in ("specific", "shared")

    @property
    def own_modality(self) -> bool:
        """Whether the other modality's texts are negatives; a shared prompt has only one text for both."""
        return self.kind == "specific" and self.positives == "own_modality"

    @property
    def banks(self) -> int:
        """Sets of learned tokens: one for both modalities, or one for each."""
        return 1 if self.kind == "shared" else 2

    def of_bank(self) -> dict[str, Any]:
        """What the learned tokens are, beside the identities (`models.prompts.PromptBank`)."""
        return {"banks": self.banks, "tokens": self.tokens, "template": self.template}

    @field_validator("template")
    @classmethod
    def _one_slot(cls, value: str) -> str:
        if value.count("{}") != 1:
            raise ValueError("must contain {} exactly once, where the learnable tokens go")
        return value
