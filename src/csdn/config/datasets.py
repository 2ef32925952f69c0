"""The section `datasets` of params.yaml."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from csdn.config.base import EMBEDDED, Layout, Seed, Size, Strict

DEFAULT_SPLIT = "default"  # the only split of a layout whose lists name none
DRAW = r"[1-9]\d{0,3}"  # its one spelling, for it names folders and a seed


class Dataset(Strict):
    """One dataset: where it is, how it is read and what is trained on it."""

    layout: Layout = Field(description="Official folder layout of the images, which also decides the protocols.")
    root: str = Field(EMBEDDED, description="Folder of the dataset, or `embedded` to render the benchmark.")
    image_size: Size = Field((64, 32), description="Height and width to which every image is resized once.")
    splits: list[str] = Field(
        ["default"],
        min_length=1,
        description="`default`; 1..10 for RegDB; or draws of an embedded dataset, from 1 to 9999, each with people and "
        "cameras of its own. Each split is trained separately.",
    )
    gallery: Literal["agw", "official"] = Field("agw", description="Which SYSU-MM01 gallery draw (docs/protocols.md).")
    trials: int = Field(10, ge=1, le=10, description="Gallery draws to average over (SYSU-MM01 and LLCM).")
    train_subsets: list[Literal["train", "val"]] = Field(
        ["train", "val"],
        min_length=1,
        description="Subsets to train on; without `val`, that subset is used for validation.",
    )
    held_out_identities: int = Field(0, ge=0, description="Training identities set aside as `val` if there is none.")
    duplicates: Literal["refuse", "warn"] = Field(
        "refuse", description="What to do about identical image files in different subsets (test images in training)."
    )
    variants: list[str] | None = Field(
        None,
        description="Variants run on this dataset (null: those in any table or in the primary question, or all if "
        "there are no tables).",
    )
    seeds: list[Seed] | None = Field(None, min_length=1, description="Its own seeds (null: the top-level ones).")

    @field_validator("splits", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return [str(item) for item in value] if isinstance(value, (list, tuple)) else value

    @property
    def has_draws(self) -> bool:
        """Whether each split has images of its own, of other people; else all splits are of the same images."""
        return self.layout != "regdb" and DEFAULT_SPLIT not in self.splits

    def _problems_of_splits(self) -> list[str]:
        if self.layout == "regdb":
            known = [str(n) for n in range(1, 11)]
            wrong = [s for s in self.splits if s not in known]
            return [f"splits {wrong} do not exist in layout regdb; known: {', '.join(known)}"] if wrong else []
        numbers = [s for s in self.splits if s != DEFAULT_SPLIT]
        if numbers and self.root != EMBEDDED:
            return [f"splits {numbers} are draws, which only embedded datasets have; set splits to [{DEFAULT_SPLIT}]"]
        if wrong := [s for s in numbers if not re.fullmatch(DRAW, s)]:
            return [f"splits {wrong} do not exist in layout {self.layout}; known: {DEFAULT_SPLIT}, or draws 1 to 9999"]
        if numbers and len(numbers) < len(self.splits):
            return [f"splits {self.splits} name draws and a set that is none; list draws, or {DEFAULT_SPLIT} alone"]
        return []

    @model_validator(mode="after")
    def _lists_are_sound(self) -> Dataset:
        lines = self._problems_of_splits()
        for key in ("splits", "variants", "seeds", "train_subsets"):
            values = getattr(self, key) or []
            if len(set(values)) != len(values):
                lines.append(f"{key} lists one of {values} twice; list it once")
        if "train" not in self.train_subsets:
            lines.append("train_subsets must include `train`")
        if lines:
            raise ValueError("\n".join(lines))
        return self
