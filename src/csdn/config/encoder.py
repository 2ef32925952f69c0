"""The section `encoder` of params.yaml."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from csdn.config.base import PRECISION, Count, Fraction, GradientClip, Precision, Rate, Ratio, Strict, Weight


class LossWeights(Strict):
    """Weights of the terms of stage 2's loss (docs/method.md); a term of weight 0 is not computed."""

    identity: Weight = 1.0
    modality_shared: Weight = 1.0
    triplet: Weight = 0.15
    semantic_visible: Weight = 0.05
    semantic_infrared: Weight = 0.10


class Augmentation(Strict):
    """Random changes of the training images (docs/method.md)."""

    padding: int = Field(10, ge=0, description="Pixels padded before the random crop.")
    flip: Fraction = 0.5
    erase: Fraction = 0.5
    erase_area: tuple[Fraction, Fraction] = (0.02, 0.4)
    erase_aspect: tuple[Ratio, Ratio] = (0.3, 3.33)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> Augmentation:
        for key in ("erase_area", "erase_aspect"):
            low, high = getattr(self, key)
            if low > high:
                raise ValueError(f"{key}: {low} to {high} is not a range; put the smaller number first")
        return self


class Encoder(Strict):
    """Stage 2: the visual encoder (docs/method.md)."""

    text: Literal["none", "learned", "permuted", "random"] = Field(
        "learned",
        description="Descriptions that features are pulled to: none (baseline), those of stage 1, the same assigned to "
        "the wrong identities, or random directions of the same lengths.",
    )
    epochs: int = Field(120, ge=0, description="Epochs; 0 does not train and keeps CLIP's weights.")
    identities: int = Field(8, ge=2, description="Identities in a batch.")
    images: int = Field(4, ge=2, description="Images of an identity and modality in a batch.")
    learning_rate: Rate = 3e-4
    head_learning_rate_factor: Rate = Field(2.0, description="Factor on the learning rate of the classifiers.")
    weight_decay: Weight = 5e-4
    schedule: Literal["cosine", "multistep"] = Field(
        "multistep", description="After the warm-up: down to 0 along a cosine, or to a tenth at each milestone."
    )
    warmup_epochs: Weight = Field(10, description="Epochs in which the learning rate rises linearly.")
    milestones: list[Count] = Field([40, 70], description="Epochs at which `multistep` lowers the rate.")
    classifier: Literal["cosine", "linear"] = Field("linear", description="Head of the identity loss.")
    classifier_scale: Weight = Field(16.0, description="Factor on the logits of the cosine classifier.")
    semantic_loss: Literal[
        "cross_entropy", "supervised_contrastive", "cosine_regression", "mse_regression", "triplet_to_text"
    ] = Field("cross_entropy", description="How features are pulled to the descriptions (docs/method.md).")
    semantic_logits: Literal["cosine", "dot"] = Field(
        "dot", description="Similarity used by `cross_entropy` and `supervised_contrastive`."
    )
    semantic_scale: Weight = Field(16.0, description="Factor on cosine logits.")
    semantic_margin: Fraction = Field(0.2, description="Margin of `triplet_to_text`, in cosine similarity.")
    label_smoothing: Fraction = Field(0.0, description="Label smoothing of the identity loss.")
    metric_features: Literal["raw", "unit"] = Field(
        "raw", description="Features that the triplet and modality-shared losses compare: raw, or of unit length."
    )
    gradient_clip: GradientClip = None
    weights: LossWeights = LossWeights()
    augmentation: Augmentation = Augmentation()
    descriptor: Literal["reference", "both_necks"] = Field(
        "reference", description="L2(BN(pooled)) with L2(projected), or with L2(BN(projected))."
    )
    precision: Precision = Field("fp32", description=PRECISION)
    selection: Literal["last", "best_on_validation", "best_on_test"] = Field(
        "last",
        description="Which epoch is kept. `best_on_test` reproduces the authors' choice by Rank-1 on the test set, and "
        "all results of such an encoder are labelled.",
    )
    validate_every: int = Field(0, ge=0, description="Epochs between validations on held-out identities (0: never).")

    @property
    def head_scale(self) -> float | None:
        """Scale of cosine classifiers; None for linear ones."""
        return self.classifier_scale if self.classifier == "cosine" else None

    @model_validator(mode="after")
    def _selection_has_a_choice(self) -> Encoder:
        if self.selection != "last" and not self.validate_every:
            raise ValueError(f"selection {self.selection} needs validations; set validate_every to 1 or more")
        return self
