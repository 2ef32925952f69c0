"""What surrounds every training: the machine, the run in MLflow, checkpoints, and the provenance of the result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from csdn.artifacts import sha256, write_provenance
from csdn.provenance import check_inputs
from csdn.tracking import Tracker, open_tracker
from csdn.training.checkpoint import Checkpoints, training_identity
from csdn.training.runtime import prepare_machine


@dataclass(frozen=True)
class TrainingContext:
    """Where a training runs, reports to and is kept."""

    device: torch.device
    tracker: Tracker
    checkpoints: Checkpoints


@contextmanager
def trained_step(step: Any, output: Path, inputs: Mapping[str, Path | None]) -> Iterator[TrainingContext]:
    """Check inputs and prepare a training; after the block has succeeded, write its provenance, drop its checkpoints.

    Args:
        step: slice with a `key` and `runtime`.
        inputs: name -> file; None where the step has no such input.
    """
    files = {name: path for name, path in inputs.items() if path is not None}
    check_inputs(step.record(), files)
    device = prepare_machine(step.runtime.device, step.runtime.threads, step.runtime.deterministic)
    slice_ = step.record()
    folder = Path(step.checkpoints.folder or output.parent / ".checkpoints") / step.key.replace("/", "--")
    checkpoints = Checkpoints(folder, training_identity(slice_, files, device.type), step.checkpoints.seconds)
    with (
        checkpoints.locked(),
        open_tracker(step.tracking, step.key, replace=True, resume=checkpoints.resumable) as tracker,
    ):
        tracker.params(slice_)
        if "index" in files:
            tracker.dataset(f"{step.dataset}-{step.split}", files["index"], sha256(files["index"]))
        yield TrainingContext(device, tracker, checkpoints)
        write_provenance(output, slice_, files)
        tracker.model(output.stem, output, sha256(output))
        checkpoints.remove()
