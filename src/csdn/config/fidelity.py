"""The section `fidelity` of params.yaml, and its presets."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from csdn.config.base import Strict, Weight


class Fidelity(Strict):
    """Quirks of the authors' code, each off by default; `fidelity: reference` turns all on (docs/method.md)."""

    stem: Literal["clip", "reference"] = Field(
        "clip", description="`reference`: one ReLU after the third convolution only."
    )
    stage_one_images: Literal["all", "sampler"] = Field(
        "all", description="Images of stage 1: each once, or one pass of the identity sampler (repeats and skips some)."
    )
    stage_one_pairs: Literal["drawn", "fixed"] = Field(
        "drawn",
        description="What stage 1a pairs an image with: an image of its identity, drawn in each epoch, or always the "
        "one that the identity sampler drew with it (needs `stage_one_images: sampler`).",
    )
    fusion_mode: Literal["evaluation", "training"] = Field(
        "evaluation", description="`training`: stage 1b embeds images with batch statistics and fuses with dropout on."
    )
    triplet_denominator_floor: Weight = Field(0.0, description="`1e-6`: the triplet weights of the authors' code.")
    normalization: Literal["clip", "imagenet"] = Field(
        "clip", description="Mean and standard deviation of the input; `imagenet` erases after normalising."
    )
    decay_everything: bool = Field(
        False,
        description="Weight decay also on BN, biases and the pooling exponent; the classifiers' rate on whole heads.",
    )

    @model_validator(mode="before")
    @classmethod
    def _presets(cls, value: Any) -> Any:
        if isinstance(value, str) and value not in FIDELITY_PRESETS:
            raise ValueError(f"must be {' or '.join(FIDELITY_PRESETS)}, or a mapping of switches, not {value!r}")
        return FIDELITY_PRESETS[value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fixed_pairs_are_those_of_the_sampler(self) -> Self:
        if self.stage_one_pairs == "fixed" and self.stage_one_images != "sampler":
            raise ValueError("stage_one_pairs: fixed pairs are those of the sampler; set stage_one_images to sampler")
        return self


FIDELITY_PRESETS: dict[str, dict[str, Any]] = {
    "reference": {
        "stem": "reference",
        "stage_one_images": "sampler",
        "stage_one_pairs": "fixed",
        "fusion_mode": "training",
        "triplet_denominator_floor": 1e-6,
        "normalization": "imagenet",
        "decay_everything": True,
    }
}
