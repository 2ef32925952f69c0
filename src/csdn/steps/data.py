"""What the steps depend on that render and index images."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from csdn.config.base import EMBEDDED, Layout, Size
from csdn.config.benchmark import Benchmark
from csdn.errors import UserError
from csdn.steps.selection import SelectedParams
from csdn.steps.settings import StepSettings
from csdn.study.paths import PRETRAINING


class MakeDataset(StepSettings):
    """Renders one embedded dataset, or the images of the small CLIP (layout null)."""

    VERSION: ClassVar = 3
    step: Literal["make_dataset"]
    dataset: str
    layout: Layout | None
    benchmark: Benchmark
    split: str | None = None  # the draw, of a dataset with draws or of a small CLIP of its own

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        name = chosen.selection.dataset
        layout = None if name == PRETRAINING else chosen.dataset_section.layout
        if layout and chosen.dataset_section.root != EMBEDDED:
            raise UserError(
                f"datasets.{name}.root: is a folder, so nothing is rendered; set it to `{EMBEDDED}` to render it"
            )
        parts = {"seed", "image_size", "luminance_share", "noise", "occlusion", "night", layout or PRETRAINING}
        benchmark = chosen.params.benchmark.model_dump(mode="json", include=parts)
        draw = chosen.draw if layout else chosen.pretrained_draw
        return {"dataset": name, "layout": layout, "benchmark": benchmark, **({"split": draw} if draw else {})}


class IndexImages(StepSettings):
    """Reads a dataset's lists and resizes its images once."""

    VERSION: ClassVar = 1
    step: Literal["index_images"]
    dataset: str
    layout: Layout
    root: str
    splits: list[str]
    image_size: Size
    held_out_identities: int
    duplicates: Literal["refuse", "warn"] = "refuse"
    split: str | None = None  # the draw, of a dataset with draws; then the only one of `splits`

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        section = chosen.dataset_section
        unnamed = {"duplicates"} if section.duplicates == "refuse" else set()
        values = section.model_dump(mode="json", include=set(cls.model_fields) - unnamed)
        drawn = {"split": chosen.draw, "splits": [chosen.draw]} if chosen.draw else {}
        return {"dataset": chosen.dataset, **values, **drawn}
