"""What of a study a job is for, and the settings as they are for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

from csdn.artifacts.shipped import shipped_digest
from csdn.config.base import MINI, SHIPPED
from csdn.config.datasets import Dataset
from csdn.config.messages import did_you_mean
from csdn.config.params import Params, Variant
from csdn.config.shared_keys import backbone, dump, encoder_fidelity, prompt_key
from csdn.errors import UserError
from csdn.study.files import small_clips


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
        splits = self.dataset_section.splits
        return self._given("split", splits, f" of {', '.join(splits)}")

    @property
    def draw(self) -> str | None:
        """The draw whose images are meant; None where all splits are of the same images, whichever is given."""
        has_draws = self.dataset_section.has_draws
        split = self.split if has_draws or self.selection.split is not None else None  # one that exists
        return split if has_draws else None

    @property
    def pretrained_draw(self) -> str | None:
        """The draw whose own small CLIP, or its images, are meant; None where it is the one of all draws."""
        if not self.params.clip.pretraining.one_per_draw:
            return None
        clips = small_clips(self.params)
        if self.selection.split is None and None in clips:
            return None
        draws = [draw for draw in clips if draw]
        return self._given("split", draws, f" of {', '.join(draws)}")

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


def _starting_clip(chosen: SelectedParams) -> dict[str, Any]:
    clip, split = chosen.variant_sections.clip, chosen.selection.split
    out = backbone(clip)
    if clip.weights == SHIPPED:
        out["sha256"] = shipped_digest()
    if clip.weights == MINI and split is not None and (draw := chosen.params.clip_draw(chosen.dataset, split)):
        out["draw"] = draw  # named only where it changes something
    return out


# The settings of several steps, by the name that they have there, as JSON values.
SHARED: dict[str, Callable[[SelectedParams], Any]] = {
    **{name: attrgetter(name) for name in ("dataset", "split", "seed", "variant")},
    "image_size": lambda chosen: list(chosen.dataset_section.image_size),
    "layout": lambda chosen: chosen.dataset_section.layout,
    "train_subsets": lambda chosen: list(chosen.dataset_section.train_subsets),
    "clip": _starting_clip,
    "encoder": lambda chosen: dump(chosen.variant_sections.encoder),
    "fidelity": lambda chosen: encoder_fidelity(chosen.variant_sections.fidelity),  # stage 1 has switches of its own
    "prompt_key": lambda chosen: prompt_key(chosen.params, chosen.variant),
    "runtime": lambda chosen: chosen.params.runtime.model_dump(include={"device", "threads", "deterministic"}),
}
