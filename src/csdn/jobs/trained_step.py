"""What surrounds every training: the machine, the run in MLflow, checkpoints, and the provenance of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from csdn.artifacts.records import write_provenance
from csdn.errors import UserError
from csdn.models.device import Compute, configure_process
from csdn.steps.input_checks import check_inputs
from csdn.steps.training import PretrainClip, Training
from csdn.study.paths import CHECKPOINTS
from csdn.tracking.runs import Tracker, open_tracker
from csdn.training.checkpoint import Checkpoints, training_identity


@dataclass(frozen=True)
class TrainingContext:
    """What a training computes on, where it reports to and where it is kept."""

    compute: Compute
    tracker: Tracker
    checkpoints: Checkpoints


@contextmanager
def trained_step(
    settings: Training, output: Path, inputs: Mapping[str, Path | None], precision: str = "fp32"
) -> Iterator[TrainingContext]:
    """Check inputs and prepare a training; after the block has succeeded, write its record, drop its checkpoints.

    Each input is read once: its digest goes into the checkpoints' identity, to the tracker and into the record.

    Args:
        settings: of the step.
        inputs: name -> file; None where the step has no such input.
        precision: that the step asks for; stage 1 always computes in float32.

    Raises:
        UserError: an input is missing, was edited or does not belong to the settings or to another input.
    """
    record = settings.record()
    compute = configure_process(**settings.runtime.of_process(), precision=precision)
    files = {name: path for name, path in inputs.items() if path is not None}
    digests = check_inputs(record, files)
    if missing := [f"{path}: no such file" for name, path in files.items() if name not in digests]:
        raise UserError("\n".join(missing))
    folder = Path(settings.checkpoints.folder or output.parent / CHECKPOINTS) / settings.key.replace("/", "--")
    identity = training_identity(record, digests, compute.device.type, compute.precision)
    checkpoints = Checkpoints(folder, identity, settings.checkpoints.seconds)
    with (
        checkpoints.locked(),
        open_tracker(settings.tracking, settings.key, replace=True, resume=checkpoints.resumable) as tracker,
    ):
        tracker.params(record | {"compute": compute.record()})
        if not isinstance(settings, PretrainClip):
            tracker.dataset(f"{settings.dataset}-{settings.split}", files["index"], digests["index"])
        yield TrainingContext(compute, tracker, checkpoints)
        made = write_provenance(output, record, files, digests=digests, compute=compute.record())
        tracker.model(output.stem, output, made[output.name])
        checkpoints.remove()
