"""What surrounds every training: the machine, the run in MLflow, checkpoints, and the provenance of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csdn.artifacts.digests import sha256
from csdn.artifacts.records import write_provenance
from csdn.models.device import Compute, configure_process
from csdn.steps.input_checks import check_inputs
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
    step: Any, output: Path, inputs: Mapping[str, Path | None], precision: str = "fp32"
) -> Iterator[TrainingContext]:
    """Check inputs and prepare a training; after the block has succeeded, write its provenance, drop its checkpoints.

    Args:
        step: slice with a `key` and `runtime`.
        inputs: name -> file; None where the step has no such input.
        precision: that the step asks for; stage 1 always computes in float32.
    """
    runtime = step.runtime
    compute = configure_process(
        runtime.device, threads=runtime.threads, deterministic=runtime.deterministic, precision=precision
    )
    files = {name: path for name, path in inputs.items() if path is not None}
    check_inputs(step.record(), files)
    slice_ = step.record()
    folder = Path(step.checkpoints.folder or output.parent / CHECKPOINTS) / step.key.replace("/", "--")
    identity = training_identity(slice_, files, compute.device.type, compute.precision)
    checkpoints = Checkpoints(folder, identity, step.checkpoints.seconds)
    with (
        checkpoints.locked(),
        open_tracker(step.tracking, step.key, replace=True, resume=checkpoints.resumable) as tracker,
    ):
        tracker.params(slice_ | {"compute": compute.record()})
        if "index" in files:
            tracker.dataset(f"{step.dataset}-{step.split}", files["index"], sha256(files["index"]))
        yield TrainingContext(compute, tracker, checkpoints)
        write_provenance(output, slice_, files, compute=compute.record())
        tracker.model(output.stem, output, sha256(output))
        checkpoints.remove()
