"""The section `datasets` of params.yaml."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from csdn.config.base import EMBEDDED, Layout, Seed, Size, Strict


class Dataset(Strict):
    """One dataset: where it is, how it is read and what is trained on it."""

    layout: Layout = Field(description="Official folder layout of the images, which also decides the protocols.")
    root: str = Field(EMBEDDED, description="Folder of the dataset, or `embedded` to render the benchmark.")
    image_size: Size = Field((64, 32), description="Height and width to which every image is resized once.")
    splits: list[str] = Field(
        ["default"], min_length=1, description="`default`, or 1..10 for RegDB; each split is trained separately."
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
        None, description="Variants run on this dataset (null: those in any table, or all if there are no tables)."
    )
    seeds: list[Seed] | None = Field(None, min_length=1, description="Its own seeds (null: the top-level ones).")

    @field_validator("splits", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return [str(item) for item in value] if isinstance(value, (list, tuple)) else value

    @model_validator(mode="after")
    def _splits_exist(self) -> Dataset:
        known = [str(n) for n in range(1, 11)] if self.layout == "regdb" else ["default"]
        lines = []
        wrong = [s for s in self.splits if s not in known]
        if wrong:
            lines.append(f"splits {wrong} do not exist in layout {self.layout}; known: {', '.join(known)}")
        for key in ("splits", "variants", "seeds", "train_subsets"):
            values = getattr(self, key) or []
            if len(set(values)) != len(values):
                lines.append(f"{key} lists one of {values} twice; list it once")
        if "train" not in self.train_subsets:
            lines.append("train_subsets must include `train`")
        if lines:
            raise ValueError("\n".join(lines))
        return self
