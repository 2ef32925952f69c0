"""What of a study a job is for, and the settings as they are for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from csdn.config.datasets import Dataset
from csdn.config.messages import did_you_mean
from csdn.config.params import Params, Variant
from csdn.config.shared_keys import backbone, dump, encoder_fidelity, prompt_key
from csdn.errors import UserError


@dataclass(frozen=True)
class Selection:
    """The part of a study that a job is for; None where the step needs no such choice."""

    dataset: str | None = None
    split: str | None = None
    variant: str | None = None
    seed: int | None = None
    protocol: str | None = None

    @classmethod
    def of(cls, wildcards: object, **further: str) -> Selection:
        """What the wildcards of a Snakemake job name, and `further`."""
        named = {f.name: getattr(wildcards, f.name) for f in fields(cls) if hasattr(wildcards, f.name)} | further
        return cls(**(named | ({"seed": int(named["seed"])} if "seed" in named else {})))


# Properties of SelectedParams that are fields of several steps under the same name.
SHARED = {
    *("dataset", "split", "seed", "variant", "image_size", "layout", "train_subsets"),
    *("clip", "runtime", "encoder", "fidelity", "prompt_key"),
}


@dataclass(frozen=True)
class SelectedParams:
    """The settings and what of them is selected, as JSON values; complains about what is missing or unknown."""

    params: Params
    selection: Selection

    def _given(self, name: str, known: list[str], shown: str = "") -> str:
        value = asdict(self.selection)[name]
        if value is None:
            raise UserError(f"--{name}: missing; give one{shown}")
        if value not in known:
            raise UserError(f"--{name} {value}: unknown; {did_you_mean(value, known)}")
        return value

    @property
    def dataset(self) -> str:
        """Name of the dataset."""
        return self._given("dataset", [*self.params.datasets], f" of {', '.join(self.params.datasets)}")

    @property
    def split(self) -> str:
        """Name of the split."""
        return self._given("split", self.dataset_section.splits)

    @property
    def variant(self) -> str:
        """Name of the variant."""
        return self._given("variant", [*self.params.variants], f" of {', '.join(self.params.variants)}")

    @property
    def seed(self) -> int:
        """Seed of the run."""
        if self.selection.seed is None:
            raise UserError("--seed: missing; give one")
        return self.selection.seed

    @property
    def protocol(self) -> str:
        """The name of a score file, or of a protocol: the official gallery follows from the dataset."""
        known = [*self.params.scores_of(self.dataset), *self.params.protocols_of(self.dataset)]
        return self._given("protocol", list(dict.fromkeys(known)))

    @property
    def dataset_section(self) -> Dataset:
        """The dataset's settings."""
        return self.params.datasets[self.dataset]

    @property
    def variant_sections(self) -> Variant:
        """The variant's settings, validated."""
        return self.params.variant(self.variant)

    @property
    def image_size(self) -> list[int]:
        """Height and width in pixels."""
        return list(self.dataset_section.image_size)

    @property
    def layout(self) -> str:
        """Layout of the dataset's files."""
        return self.dataset_section.layout

    @property
    def train_subsets(self) -> list[str]:
        """Subsets that are trained on."""
        return list(self.dataset_section.train_subsets)

    @property
    def clip(self) -> dict[str, Any]:
        """What a network depends on that starts from CLIP."""
        return backbone(self.variant_sections.clip)

    @property
    def encoder(self) -> dict[str, Any]:
        """The variant's section `encoder`."""
        return dump(self.variant_sections.encoder)

    @property
    def fidelity(self) -> dict[str, Any]:
        """The switches of stage 2; stage 1 has its own."""
        return encoder_fidelity(self.variant_sections.fidelity)

    @property
    def prompt_key(self) -> str:
        """The name of the variant's prompts."""
        return prompt_key(self.params, self.variant)

    @property
    def runtime(self) -> dict[str, Any]:
        """What the step computes on."""
        return self.params.runtime.model_dump(mode="json", include={"device", "threads", "deterministic"})
