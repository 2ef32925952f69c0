"""What the steps depend on that set results side by side, draw them and log them."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from csdn.config.base import EMBEDDED, Count, Layout, Seed, Size, Strict
from csdn.config.consistency import training_identities
from csdn.config.encoder import Encoder
from csdn.config.fusion import Fusion
from csdn.config.layouts import official_training_identities
from csdn.config.params import Params
from csdn.config.primary import Primary
from csdn.config.prompts import Prompts
from csdn.config.shared_keys import dump, semantics_key
from csdn.config.tables import Table
from csdn.config.tracking import Tracking
from csdn.steps.selection import SelectedParams
from csdn.steps.settings import StartingClip, StepSettings

CHANGE_NO_RESULT: dict[str, Any] = {"tracking": True, "runtime": {"checkpoint_seconds", "scratch"}}


class TrackScores(StepSettings):
    """Logs all scores to their runs; the only step whose text says where to."""

    VERSION: ClassVar = 1
    step: Literal["track_scores"]
    store: Tracking

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        return {"store": dump(chosen.params.tracking)}


class ComparedDataset(Strict):
    """What is compared on one dataset, in order."""

    layout: Layout
    embedded: bool
    gallery: Literal["agw", "official"]
    trials: Count
    splits: list[str]
    variants: list[str]
    seeds: list[Seed]
    protocols: list[str]
    has_draws: bool
    training_identities: int | None  # of splits that share their people, whose test needs it


def _of_repeated_splits(params: Params, name: str) -> int | None:
    dataset = params.datasets[name]
    if dataset.layout != "regdb":
        return None
    official = official_training_identities(dataset.layout) - dataset.held_out_identities
    return training_identities(params, name) or official


class CompareVariants(StepSettings):
    """Aggregates the scores into tables."""

    VERSION: ClassVar = 4
    step: Literal["compare_variants"]
    datasets: dict[str, ComparedDataset]
    untrained: list[str]
    primary: Primary | None
    tables: dict[str, Table]
    results: str

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        params = chosen.params
        datasets = {
            name: {
                **dataset.model_dump(mode="json", include={"layout", "gallery", "trials", "splits"}),
                "embedded": dataset.root == EMBEDDED,
                "variants": params.variants_of(name),
                "seeds": params.seeds_of(name),
                "protocols": list(params.scores_of(name)),
                "has_draws": dataset.has_draws,
                "training_identities": _of_repeated_splits(params, name),
            }
            for name, dataset in params.datasets.items()
        }
        ran = {name for dataset in params.datasets for name in params.variants_of(dataset)}
        return {
            "datasets": datasets,
            "untrained": sorted(name for name in ran if params.variant(name).encoder.epochs == 0),
            "primary": params.primary and dump(params.primary),
            "tables": {name: dump(table) for name, table in params.tables.items()},
            "results": params.runtime.results,
        }


class DescribeModel(StepSettings):
    """What decides the modules of a variant and their sizes."""

    VERSION: ClassVar = 1
    step: Literal["describe_model"]
    dataset: str
    variant: str
    image_size: Size
    identities: Count
    clip: StartingClip
    prompts: Prompts
    fusion: Fusion
    encoder: Encoder
    described: bool

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        return {
            **super()._values(chosen),
            "identities": training_identities(chosen.params, chosen.dataset)
            or official_training_identities(chosen.dataset_section.layout),
            "prompts": dump(chosen.variant_sections.prompts),
            "fusion": dump(chosen.variant_sections.fusion),
            "described": semantics_key(chosen.params, chosen.variant) is not None,
        }


class CompareCosts(StepSettings):
    """Sets costs beside gains; the settings without the renderer's."""

    VERSION: ClassVar = 1
    step: Literal["compare_costs"]
    variants: list[str]  # in the order of params.yaml, which a mapping in canonical JSON has lost
    params: Params

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        params = chosen.params
        unused = dict.fromkeys(("benchmark", "primary", "tables"), True)
        values = params.model_dump(mode="json", exclude=CHANGE_NO_RESULT | unused)
        values["benchmark"] = {"image_size": list(params.benchmark.image_size)}  # that of the small CLIP, too
        for name, dataset in values["datasets"].items():
            dataset.pop("trials")  # they change gains, which come from a file
            dataset["variants"] = params.variants_of(name)
        return {"variants": list(params.variants), "params": values}


class OfEverything(StepSettings):
    """Base of what shows all results and the settings."""

    params: Params

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        return {"params": chosen.params.model_dump(mode="json", exclude=CHANGE_NO_RESULT)}


class DrawFigures(OfEverything):
    """Draws figures from everything made before."""

    VERSION: ClassVar = 4
    step: Literal["draw_figures"]


class WriteReport(OfEverything):
    """Writes the page, which also shows the settings."""

    VERSION: ClassVar = 4
    step: Literal["write_report"]
