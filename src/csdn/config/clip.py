"""The section `clip` of params.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from csdn.config.base import MINI, PRECISION, SHIPPED, Count, Fraction, Precision, Rate, Seed, Size, Strict, Weight


class ClipPretraining(Strict):
    """Contrastive pre-training of the small CLIP."""

    seed: Seed = 0
    steps: Count = 1100
    batch: int = Field(128, ge=8)
    learning_rate: Rate = 2e-3
    weight_decay: Weight = 0.05
    warmup_steps: int = Field(50, ge=0)
    attribute_weight: Weight = Field(
        0.5, description="Weight of the auxiliary attribute classification, whose head is discarded."
    )
    grey_share: Fraction = Field(
        0.15, description="Probability that an image is shown without its colours, with a caption that names none."
    )
    exposure: Fraction = Field(
        0.3, description="How far the brightness and the contrast of an image are varied each time it is used."
    )
    position_std: Weight = Field(
        1.5, description="Standard deviation of the attention pool's positional embedding at the start."
    )
    precision: Precision = Field("fp32", description=PRECISION)
    one_per_draw: bool = Field(
        False,
        exclude_if=lambda on: not on,  # named only where it changes something, so that older results stay
        description="Pre-train a small CLIP for each draw, on people and cameras and with a start of its own; its "
        "variants start from it (needs clip.weights `mini`).",
    )


class MiniModel(Strict):
    """Architecture of the small CLIP, handed to open_clip as a custom configuration."""

    layers: tuple[Count, Count, Count, Count] = (1, 1, 1, 1)
    width: int = Field(12, ge=8)
    head_width: int = Field(32, ge=8)
    embed_dim: int = Field(128, ge=16)
    text_width: int = Field(64, ge=16)
    text_layers: Count = 2
    text_heads: Count = 2
    context_length: int = Field(40, ge=16, le=77)

    @model_validator(mode="after")
    def _heads_divide(self) -> MiniModel:
        lines, text_heads, width = [], self.text_heads, 32 * self.width
        if self.text_width % text_heads:
            lines.append(f"text_heads: {text_heads} does not divide text_width {self.text_width}; choose a divisor")
        if width % self.head_width:
            lines.append(f"head_width: {self.head_width} does not divide 32 x width = {width}; choose another")
        if lines:
            raise ValueError("\n".join(lines))
        return self


class Backbone(Strict):
    """The CLIP that a step starts from."""

    model: str = Field(MINI, description="`mini`, or an open_clip model name such as RN50-quickgelu.")
    weights: str = Field(
        SHIPPED,
        description="`shipped` (the small CLIP that comes with csdn), `mini` (pre-train one), a path (safetensors, "
        "state dict or OpenAI archive), an open_clip tag, or `random`.",
    )
    image_size: Size = Field((64, 32), description="Size at which the small CLIP is, or was, pre-trained.")
    mini: MiniModel = MiniModel()

    @model_validator(mode="after")
    def _mini_goes_with_mini(self) -> Backbone:
        if self.weights in (MINI, SHIPPED) and self.model != MINI:
            raise ValueError(f"weights: `{self.weights}` goes with model: mini only; give a path or an open_clip tag")
        return self

    @property
    def architecture(self) -> str | dict[str, Any]:
        """The name of open_clip's model, or the sizes of the small CLIP."""
        return self.mini.model_dump() if self.model == MINI else self.model

    @property
    def weights_path(self) -> str | None:
        """The weights if they name a file: a value with a slash in it or with the suffix of a model file."""
        is_path = "/" in self.weights or self.weights.endswith((".pt", ".pth", ".bin", ".safetensors"))
        return self.weights if is_path else None


class Clip(Backbone):
    """The CLIP that everything starts from, and how the small one is made."""

    pretraining: ClipPretraining = ClipPretraining()
