"""Slices: what one job needs to know, as frozen models that are written as canonical JSON and read back.

A slice holds exactly what changes its step's result, so that nothing else makes the step run again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from csdn.artifacts.digests import canonical_json
from csdn.config.base import Count, Layout, Precision, Seed, Size, Strict, Weight
from csdn.config.benchmark import Benchmark
from csdn.config.clip import Backbone, Clip
from csdn.config.encoder import Encoder
from csdn.config.evaluation import Reranking
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.loading import merge_overrides
from csdn.config.messages import problems
from csdn.config.params import Params
from csdn.config.prompts import Prompts
from csdn.config.tables import Table
from csdn.config.tracking import Tracking
from csdn.errors import UserError, printable
from csdn.study.paths import PROMPTS_KEY, RUN_KEY, SEMANTICS_KEY, SMALL_CLIP_KEY, paths_of

# What changes no result is in no slice's text and reaches jobs as JSON in the environment.
TRACKING_VARIABLE = "CSDN_TRACKING"
CHECKPOINTS_VARIABLE = "CSDN_CHECKPOINTS"
NOT_IN_TEXT = {"tracking", "checkpoints"}


class Checkpointing(Strict):
    """Where trainings keep their checkpoints (null: beside their output), and how often they write one."""

    folder: str | None = None
    seconds: Weight = 60.0

    @classmethod
    def of(cls, params: Params) -> Checkpointing:
        """Outside all outputs of Snakemake and DVC, which delete theirs when a job is repeated."""
        return cls(folder=paths_of(params).checkpoints, seconds=params.runtime.checkpoint_seconds)


class Slice(Strict):
    """Base of all slices. Where to log and to keep checkpoints is no part of the text."""

    version: int
    tracking: Tracking = Tracking()
    checkpoints: Checkpointing = Checkpointing()

    def record(self) -> dict[str, Any]:
        """What the result depends on, with defaults written out."""
        return self.model_dump(mode="json", exclude=NOT_IN_TEXT)


class Machine(Strict):
    """What a step computes on. Rounding depends on it, so results do."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    deterministic: bool
    compile: bool = False


class MakeDataset(Slice):
    """Renders one embedded dataset, or the images of the small CLIP (layout null)."""

    step: Literal["make_dataset"]
    dataset: str
    layout: Layout | None
    benchmark: Benchmark


class PretrainClip(Slice):
    """Pre-trains the small CLIP."""

    step: Literal["pretrain_clip"]
    clip: Clip
    runtime: Machine

    @property
    def key(self) -> str:
        """Identifies the run in MLflow."""
        return SMALL_CLIP_KEY


class IndexImages(Slice):
    """Reads a dataset's lists and resizes its images once."""

    step: Literal["index_images"]
    dataset: str
    layout: Layout
    root: str
    splits: list[str]
    image_size: Size
    held_out_identities: int
    duplicates: Literal["refuse", "warn"] = "refuse"


class Selected(Slice):
    """Base of what is done for one dataset, split and seed."""

    dataset: str
    split: str
    seed: Seed


class Trained(Selected):
    """Base of what is computed with a network."""

    image_size: Size
    clip: Backbone
    runtime: Machine


class LearnPrompts(Trained):
    """Stage 1a. Shared by the variants with this prompt key, so it does not know their names."""

    step: Literal["learn_prompts"]
    prompt_key: str
    train_subsets: list[Literal["train", "val"]]
    prompts: Prompts
    fidelity: Fidelity

    @property
    def key(self) -> str:
        """Identifies the run in MLflow."""
        return PROMPTS_KEY.format(**dict(self))


class FuseSemantics(Trained):
    """Stage 1b. Shared by the variants with this semantics key, so it does not know their names."""

    step: Literal["fuse_semantics"]
    semantics_key: str
    train_subsets: list[Literal["train", "val"]]
    prompts: Prompts
    fusion: Fusion
    fidelity: Fidelity

    @property
    def key(self) -> str:
        """Identifies the run in MLflow."""
        return SEMANTICS_KEY.format(**dict(self))


class OfVariant(Selected):
    """Base of what belongs to one variant."""

    variant: str

    @property
    def key(self) -> str:
        """Identifies the run in MLflow: all steps of a variant log to one run."""
        return RUN_KEY.format(**dict(self))


class TestSelection(Strict):
    """How epochs are compared on the test set."""

    protocol: str
    trials: Count


class TrainEncoder(OfVariant, Trained):
    """Stage 2. `test_selection` is there only where the epoch is chosen on the test set."""

    step: Literal["train_encoder"]
    layout: Layout
    train_subsets: list[Literal["train", "val"]]
    encoder: Encoder
    fidelity: Fidelity
    test_selection: TestSelection | None = None


class Embedding(Strict):
    """How images are embedded: the part of `config.Evaluation` that decides the features."""

    batch: Count
    flip: bool
    precision: Precision = "fp32"


class EmbedImages(OfVariant, Trained):
    """Embeds every test image once."""

    step: Literal["embed_images"]
    encoder: Encoder
    fidelity: Fidelity
    evaluation: Embedding


class ExplainModel(OfVariant, Trained):
    """Compares a trained encoder with its start, for the figures."""

    step: Literal["explain_model"]
    train_subsets: list[Literal["train", "val"]]
    encoder: Encoder
    fidelity: Fidelity


class ScoreRetrieval(OfVariant):
    """Scores one protocol from the embeddings."""

    step: Literal["score_retrieval"]
    layout: Layout
    protocol: str
    gallery: Literal["agw", "official"] = "agw"
    trials: Count = 1
    reranking: Reranking | None = None


class TrackScores(Slice):
    """Logs all scores to their runs; the only slice that contains where to."""

    step: Literal["track_scores"]
    store: Tracking


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


class CompareVariants(Slice):
    """Aggregates the scores into tables."""

    step: Literal["compare_variants"]
    datasets: dict[str, ComparedDataset]
    tables: dict[str, Table]
    results: str


class DescribeModel(Slice):
    """What decides the modules of a variant and their sizes."""

    step: Literal["describe_model"]
    dataset: str
    variant: str
    image_size: Size
    identities: Count
    clip: Backbone
    prompts: Prompts
    fusion: Fusion
    encoder: Encoder
    described: bool


class CompareCosts(Slice):
    """Sets costs beside gains; the settings without the renderer's."""

    step: Literal["compare_costs"]
    variants: list[str]  # in the order of params.yaml, which a mapping in a slice has lost
    params: Params


class DrawFigures(Slice):
    """Draws figures from everything made before."""

    step: Literal["draw_figures"]
    params: Params


class WriteReport(Slice):
    """Writes the page, which also shows the settings."""

    step: Literal["write_report"]
    params: Params


AnySlice = (
    MakeDataset
    | PretrainClip
    | IndexImages
    | LearnPrompts
    | FuseSemantics
    | TrainEncoder
    | EmbedImages
    | ExplainModel
    | ScoreRetrieval
    | TrackScores
    | CompareVariants
    | DescribeModel
    | CompareCosts
    | DrawFigures
    | WriteReport
)
_ADAPTER: TypeAdapter[AnySlice] = TypeAdapter(Annotated[AnySlice, Field(discriminator="step")])


def parse(values: Mapping[str, Any]) -> AnySlice:
    """The model of a slice.

    Raises:
        UserError: it is not a slice that this version of csdn wrote.
    """
    try:
        return _ADAPTER.validate_python(dict(values))
    except ValidationError as error:
        raise UserError("\n".join(problems(error, Slice, "slice"))) from error


def parse_slice(text: str, overrides: Iterable[str] | None = None) -> AnySlice:
    """Read a slice from canonical JSON; where to log and keep checkpoints comes from the environment.

    Args:
        text: what `canonical` wrote.
        overrides: `key=value`, for `tracking.*` only: everything else is part of the slice.

    Raises:
        UserError: not JSON, not a slice, or an override of something else.
    """
    overrides = list(overrides or ())
    for override in overrides:
        if not override.startswith("tracking."):
            raise UserError(
                f"--set {printable(override)}: a slice is final but for tracking.*; change params.yaml instead"
            )
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("not an object")
        values["tracking"] = json.loads(os.environ.get(TRACKING_VARIABLE, "{}"))
        values["checkpoints"] = json.loads(os.environ.get(CHECKPOINTS_VARIABLE, "{}"))
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"--params {printable(text[:40])}...: starts with {{ but is not JSON ({error}); give a YAML file"
        ) from error
    return parse(merge_overrides(values, overrides))


def canonical(value: AnySlice | Mapping[str, Any]) -> str:
    """The canonical text of a slice: equal slices give equal text, whatever the order of keys."""
    if isinstance(value, Slice):
        value = value.model_dump(mode="json", exclude_unset=True, exclude=NOT_IN_TEXT)
    return canonical_json(value)
