"""params.yaml as one typed, frozen model: sections, variants and what they change. Imports no heavy library."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from csdn.config.base import EMBEDDED, MINI, PROTOCOLS, Seed, Strict, score_name
from csdn.config.benchmark import Benchmark
from csdn.config.clip import Clip
from csdn.config.consistency import contradictions
from csdn.config.datasets import Dataset
from csdn.config.encoder import Encoder
from csdn.config.evaluation import Evaluation
from csdn.config.fidelity import FIDELITY_PRESETS, Fidelity
from csdn.config.fusion import Fusion
from csdn.config.messages import did_you_mean, problems
from csdn.config.primary import Primary, problems_of_primary
from csdn.config.prompts import Prompts
from csdn.config.runtime import Runtime
from csdn.config.tables import Table
from csdn.config.tracking import Tracking

RESERVED_TABLES = ("costs", "metrics", "primary")


class Params(Strict):
    """The whole of params.yaml."""

    datasets: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], Dataset] = Field(min_length=1)
    benchmark: Benchmark = Benchmark()
    clip: Clip = Clip()
    prompts: Prompts = Prompts()
    fusion: Fusion = Fusion()
    encoder: Encoder = Encoder()
    fidelity: Fidelity = Fidelity()
    variants: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], dict[str, Any]] = Field(
        min_length=1, description="Each variant's name and what it changes in the sections above."
    )
    seeds: list[Seed] = Field([0], min_length=1, description="Seeds of every dataset that does not set its own.")
    evaluation: Evaluation = Evaluation()
    primary: Primary | None = Field(None, description="The one question whose answer is tested (null: none).")
    tables: dict[str, Table] = Field({})
    tracking: Tracking = Tracking()
    runtime: Runtime = Runtime()
    _resolved: dict[str, Variant] = PrivateAttr(default_factory=dict)  # each variant is validated once

    @field_validator("datasets", "variants", "tables", mode="before")
    @classmethod
    def _null_removes(cls, value: Any) -> Any:
        """Drop entries that are null: setting one to null is how a layer removes it from the layer below."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _names_resolve(self) -> Params:
        lines = [line for name in self.variants for line in self._problems_of_variant(name)]
        lines = lines or self._problems_of_captions()
        named = [(f"datasets.{name}.variants", dataset.variants or []) for name, dataset in self.datasets.items()]
        named += [(f"tables.{name}.variants", table.variants) for name, table in self.tables.items()]
        for key, names in named:
            lines += [
                f"{key}: no variant {name!r}; {did_you_mean(name, self.variants)}"
                for name in names
                if name not in self.variants
            ]
        for key, table in self.tables.items():
            lines += [
                f"tables.{key}.differences: {name!r} is not a row of the table; {did_you_mean(name, table.variants)}"
                for pair in table.differences
                for name in pair
                if name not in table.variants
            ]
        lines += [
            f"tables.{name}: the workflow itself writes a table of that name; choose another name"
            for name in self.tables
            if name in RESERVED_TABLES
        ]
        lines = lines or list(problems_of_primary(self))
        lines = list(dict.fromkeys(lines or contradictions(self)))
        if lines:
            raise ValueError("\n".join(lines))
        return self

    def _problems_of_variant(self, name: str) -> list[str]:
        try:
            clip = self.variant(name).clip
        except ValueError as error:
            return str(error).splitlines()
        same = ("mini", "image_size", "pretraining")
        if clip.weights == MINI and any(getattr(clip, key) != getattr(self.clip, key) for key in same):
            return [f"variants.{name}.clip: all variants share one small CLIP; set {', '.join(same)} in section clip"]
        return []

    def _problems_of_captions(self) -> list[str]:
        return [
            f"datasets.{key}.variants: {name} needs the captions of the embedded benchmark (prompts.kind: caption), "
            f"but root is {dataset.root!r}; remove it here, or change its prompts.kind"
            for key, dataset in self.datasets.items()
            for name in self.variants_of(key)
            if dataset.root != EMBEDDED and self.variant(name).takes_captions
        ]

    def variant(self, name: str) -> Variant:
        """The settings of variant `name`: the defaults with its overrides, validated.

        Raises:
            ValueError: an override names an unknown section or key, or is out of range; one line for each.
        """
        if name not in self.variants:
            raise ValueError(f"variants: no variant {name!r}; {did_you_mean(name, self.variants)}")
        if name in self._resolved:
            return self._resolved[name]
        base = {key: getattr(self, key).model_dump() for key in Variant.model_fields}
        try:
            return self._resolved.setdefault(name, Variant.model_validate(merge(base, self.variants[name])))
        except ValidationError as error:
            raise ValueError("\n".join(problems(error.errors(), Variant, f"variants.{name}"))) from error

    def variants_of(self, dataset: str) -> list[str]:
        """Variants that run on `dataset`, in the order of params.yaml.

        By default those that a table has or the primary question asks about there.
        """
        chosen: Iterable[str] | None = self.datasets[dataset].variants
        if chosen is None:
            asked = self.primary.variants if self.primary and self.primary.dataset == dataset else []
            tables = {name for table in self.tables.values() for name in table.variants}
            chosen = tables.union(asked) if tables else self.variants
        return [name for name in self.variants if name in chosen]

    def trained_variants_of(self, dataset: str) -> list[str]:
        """Variants of a dataset whose encoder is trained."""
        return [name for name in self.variants_of(dataset) if self.variant(name).encoder.epochs > 0]

    def seeds_of(self, dataset: str) -> list[int]:
        """Seeds that run on `dataset`."""
        return list(self.datasets[dataset].seeds or self.seeds)

    def pretrained_on(self, dataset: str) -> bool:
        """Whether any variant that runs on `dataset` starts from a small CLIP that the study pre-trains."""
        return any(self.variant(name).clip.weights == MINI for name in self.variants_of(dataset))

    def clip_draw(self, dataset: str, split: str) -> str | None:
        """The draw whose own small CLIP is for a split; None if it is the one of all."""
        return split if self.clip.pretraining.one_per_draw and self.datasets[dataset].has_draws else None

    def protocols_of(self, dataset: str) -> list[str]:
        """Protocols scored on `dataset`."""
        names = PROTOCOLS[self.datasets[dataset].layout]
        chosen = self.evaluation.protocols
        return [name for name in names if chosen is None or name in chosen]

    def scores_of(self, dataset: str) -> dict[str, tuple[str, bool]]:
        """Protocol and whether it is re-ranked of each score file of a run on `dataset`, by the file's name."""
        settings = self.datasets[dataset]
        gallery = settings.gallery if settings.layout == "sysu_mm01" else None
        ways = (False, True) if self.evaluation.reranking else (False,)
        return {
            score_name(protocol, gallery, reranked): (protocol, reranked)
            for reranked in ways
            for protocol in self.protocols_of(dataset)
        }


class Variant(Strict):
    """The settings that a variant may change."""

    clip: Clip
    prompts: Prompts
    fusion: Fusion
    encoder: Encoder
    fidelity: Fidelity

    @property
    def uses_descriptions(self) -> bool:
        """Whether any description can influence the encoder."""
        weights = self.encoder.weights
        silent = weights.semantic_visible == 0 and weights.semantic_infrared == 0
        return self.encoder.text != "none" and self.encoder.epochs > 0 and not silent

    @property
    def takes_captions(self) -> bool:
        """Whether its descriptions are the captions of the embedded benchmark."""
        return self.prompts.kind == "caption" and self.uses_descriptions


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`: dictionaries merge key by key, everything else is replaced.

    Switches that are merged into a preset of `fidelity` change that preset.
    """
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        if key == "fidelity" and isinstance(old, str):
            old = FIDELITY_PRESETS.get(old, old)
        out[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out
