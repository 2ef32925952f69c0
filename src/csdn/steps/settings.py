"""A step's settings: what its result depends on, as a frozen model that is written as canonical JSON and read back.

Settings hold exactly what changes the step's result, so that nothing else makes the step run again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from csdn.artifacts.digests import canonical_json
from csdn.config.base import Count, Seed, Size, Strict, Weight
from csdn.config.clip import Backbone
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.config.params import Params
from csdn.config.tracking import Tracking
from csdn.steps.selection import SHARED, SelectedParams, Selection
from csdn.study.paths import RUN_KEY, paths_of

# What changes no result is not part of the text and reaches jobs as JSON in the environment.
TRACKING_VARIABLE = "CSDN_TRACKING"
CHECKPOINTS_VARIABLE = "CSDN_CHECKPOINTS"
SCRATCH_VARIABLE = "CSDN_SCRATCH"  # not JSON but the folder; variables in it are those of the node
NOT_IN_TEXT = {"tracking", "checkpoints", "scratch"}


class Checkpointing(Strict):
    """Where trainings keep their checkpoints (null: beside their output), and how often they write one."""

    folder: str | None = None
    seconds: Weight = 60.0

    @classmethod
    def of(cls, params: Params) -> Checkpointing:
        """Outside all outputs of Snakemake and DVC, which delete theirs when a job is repeated."""
        return cls(folder=paths_of(params).checkpoints, seconds=params.runtime.checkpoint_seconds)


class StepSettings(Strict):
    """Base of all steps' settings. Where to log, keep checkpoints and copy pixels to is not part of the text.

    Raise a step's VERSION when its meaning changes: its results and what follows from them are then made again.
    """

    VERSION: ClassVar[int]
    KEY: ClassVar[str]  # of a step that logs to MLflow
    if TYPE_CHECKING:
        step: str  # each step's own name

    version: int
    tracking: Tracking = Tracking()
    checkpoints: Checkpointing = Checkpointing()
    scratch: str | None = None

    @classmethod
    def pick(cls, params: Params, selection: Selection) -> dict[str, Any]:
        """The fields as JSON values, picked from all settings.

        Raises:
            UserError: what is selected does not exist, or something that is needed is missing.
        """
        return cls._values(SelectedParams(params, selection))

    @classmethod
    def _values(cls, chosen: SelectedParams) -> dict[str, Any]:
        """The fields that several steps have; a step adds its own."""
        return {name: SHARED[name](chosen) for name in cls.model_fields if name in SHARED}

    @property
    def key(self) -> str:
        """Identifies the run in MLflow: all steps of a variant log to one run."""
        return self.KEY.format(**dict(self))

    def record(self) -> dict[str, Any]:
        """What the result depends on, with defaults written out."""
        return self.model_dump(mode="json", exclude=NOT_IN_TEXT)

    def text(self) -> str:
        """Canonical JSON: equal settings give equal text. Snakemake runs a step again when it changes."""
        return canonical_json(self.model_dump(mode="json", exclude_unset=True, exclude=NOT_IN_TEXT))


class Machine(Strict):
    """What a step computes on. Rounding depends on it, so results do."""

    device: Literal["auto", "cpu", "cuda"]
    threads: Count
    deterministic: bool
    compile: bool = False

    def of_process(self) -> dict[str, Any]:
        """What is set once for a whole process (`models.device.configure_process`)."""
        return {"device": self.device, "threads": self.threads, "deterministic": self.deterministic}


class OfSplit(StepSettings):
    """Base of what is done for one dataset, split and seed."""

    dataset: str
    split: str
    seed: Seed


class StartingClip(Backbone):
    """The CLIP that a network starts from; the digest of the shipped one, so that another file is another setting.

    `draw` is the one whose own small CLIP it is, and absent where all draws share one.
    """

    sha256: str | None = None
    draw: str | None = Field(None, exclude_if=lambda draw: draw is None)


class Computed(OfSplit):
    """Base of what is computed with a network."""

    image_size: Size
    clip: StartingClip
    runtime: Machine


class OfVariant(OfSplit):
    """Base of what belongs to one variant."""

    KEY: ClassVar = RUN_KEY
    variant: str


class WithEncoder(OfVariant, Computed):
    """Base of what trains the visual encoder or uses it."""

    encoder: Encoder
    fidelity: Fidelity

    def of_network(self) -> dict[str, Any]:
        """What decides its network beside CLIP and the identities (`models.build.build_network`)."""
        return {
            "inner_relu": self.fidelity.stem == "clip",
            "classifier_scale": self.encoder.head_scale,
            "descriptor": self.encoder.descriptor,
        }
