"""Building blocks of the sections of params.yaml: ranges, names, and the frozen model they derive from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from csdn.config.messages import FOLDER_PATTERN

Part = TypeVar("Part")
Layout = Literal["sysu_mm01", "regdb", "llcm"]
Subset = Literal["train", "val", "test"]
Size = tuple[Annotated[int, Field(ge=16, le=1024)], Annotated[int, Field(ge=16, le=1024)]]
Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Weight = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, le=10.0)]
Count = Annotated[int, Field(ge=1)]
# Snakemake reads braces in a path as wildcards, and a leading dash would be taken for an option.
Folder = Annotated[str, Field(pattern=FOLDER_PATTERN, max_length=1000)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

GradientClip = Annotated[
    Ratio | None,
    Field(description="Maximum norm of the gradient of all trained parameters together (null: not clipped)."),
]
Precision = Literal["auto", "fp32", "tf32", "bf16"]
StageOneSchedule = Annotated[
    Literal["cosine", "reference"], Field(description="`reference` warms up for 5 epochs from 1e-5.")
]

EMBEDDED = "embedded"  # datasets.<name>.root: render the embedded benchmark instead of reading a folder
MINI = "mini"  # clip.model: the small CLIP; clip.weights: pre-train it instead of loading a file
SHIPPED = "shipped"  # clip.weights: the small CLIP that comes with csdn

PRECISION = "Precision of matrix products. `auto`: bf16 if the GPU or CPU supports it, else fp32; tf32 needs a GPU."

PROTOCOLS: dict[str, tuple[str, ...]] = {
    "sysu_mm01": ("sysu_all_single", "sysu_all_multi", "sysu_indoor_single", "sysu_indoor_multi"),
    "regdb": ("regdb_visible_to_infrared", "regdb_infrared_to_visible"),
    "llcm": ("llcm_visible_to_infrared", "llcm_infrared_to_visible"),
}


def score_name(protocol: str, gallery: str | None, reranked: bool) -> str:
    """The name of a protocol's score files; the official gallery and re-ranking have names of their own."""
    return protocol + ("-official" if gallery == "official" else "") + ("-reranked" if reranked else "")


class Strict(BaseModel):
    """Base of every section: unknown keys are errors and values cannot change after validation.

    Defaults are validated too, so that a default and the same value written out are equal as JSON (10.0, not 10).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_as_number(cls, values: Any) -> Any:
        """Refuse `epochs: yes`, which Python would take for 1: as text it fails validation under its own key."""
        if not isinstance(values, dict):
            return values
        numbers = {name for name, field in cls.model_fields.items() if _holds_numbers(field.annotation)}
        return {key: _truth_as_text(value) if key in numbers else value for key, value in values.items()}

    def part(self, kind: Callable[..., Part], **given: Any) -> Part:
        """The dataclass `kind` with values of this section, for the fields that are not `given`."""
        own = {field.name for field in fields(kind)} - set(given)  # type: ignore[arg-type]
        return kind(**{name: getattr(self, name) for name in own}, **given)


def _holds_numbers(annotation: Any) -> bool:
    """Whether a type is that of a number, of several, or of none or a number."""
    return annotation in (int, float) or any(_holds_numbers(part) for part in get_args(annotation))


def _truth_as_text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_truth_as_text(item) for item in value]
    return str(value) if isinstance(value, bool) else value
