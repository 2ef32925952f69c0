"""Experiment tracking: the tracker that training code logs to, which records nothing, and the one that logs to MLflow.

Runs are flat (MLflow's comparison page hides child runs) and found by the tag `csdn.key`, so that no run id has to be
passed on in files.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csdn.config.shared_keys import flatten
from csdn.config.tracking import Tracking
from csdn.errors import UserError, first_line
from csdn.tracking.processes import is_gone, this_process
from csdn.tracking.store import ensure_store, mlflow_client

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

KEY_TAG = "csdn.key"
PROCESS_TAG = "csdn.process"  # the logging process (`this_process`), to recognise the runs of killed jobs
FLUSH_EVERY = 10.0  # seconds: curves appear during training, at the cost of one transaction each time
FLUSH_AT = 500  # metrics; MLflow takes up to 1000 at once
PARAMS_AT_ONCE = 100  # MLflow's limit
MAX_PARAM = 6000  # MLflow's limit, in characters
SHOWN_DIGEST = 16  # characters; MLflow takes up to 36
EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # otherwise the UI opens its pages for language models
    "mlflow.note.content": "One run for each split, variant and seed, with its training curves and its scores "
    "(`<protocol>/map`). Filter by `tags.kind = 'runs'`, group by the tag `variant`, and open the chart view. Prompts "
    "and semantics, which variants share, have runs of their own (`tags.kind = 'prompts'`, `'semantics'`).",
}

log = logging.getLogger(__name__)


class Tracker:
    """What a training loop logs to; this one records nothing. Losses and models never use it."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Record settings; nested mappings become dotted names."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers, for a step of a curve or once."""

    def artifact(self, path: Path | str, folder: str | None = None) -> None:
        """Store a copy of a file or folder."""

    def dataset(self, name: str, source: Path, digest: str) -> None:
        """Record which images were used: a name, the path of their index and its SHA-256."""

    def model(self, name: str, source: Path, digest: str) -> None:
        """Record which file the run made: a name, its path and its SHA-256; no copy is stored."""


@dataclass(frozen=True)
class RunPlace:
    """The place of a run in MLflow.

    Attributes:
        experiment: its experiment's name after `tracking.project`: the dataset, or `clip`.
        name: what the UI shows and sorts by: `csdn seed 0`, `csdn split 03 seed 0`, `prompts specific seed 0`.
        tags: kind (runs, prompts, semantics or clip), and split, variant (or key) and seed if it has them.
    """

    experiment: str
    name: str
    tags: dict[str, str]


def run_place(key: str) -> RunPlace:
    """The place of a run from the key of its settings: `<dataset>/<split>/<kind>/<name>/seed_<n>`, or `clip/<name>`."""
    parts = key.split("/")
    if len(parts) != 5:
        return RunPlace(parts[0], parts[-1], {"kind": parts[0]})
    dataset, split, kind, name, seed = parts[0], parts[1], parts[2], parts[3], parts[4].removeprefix("seed_")
    shown = name if kind == "runs" else f"{kind} {name}"
    shown += "" if split == "default" else f" split {split:>02}"
    tags = {"kind": kind, "dataset": dataset, "split": split, "seed": seed}
    return RunPlace(dataset, f"{shown} seed {seed}", tags | {"variant" if kind == "runs" else "key": name})


class MlflowTracker(Tracker):
    """Logs to one MLflow run; metrics are gathered and written together.

    Args:
        resumed: a killed job started the run; points of curves that it has logged are not logged again.
    """

    def __init__(self, client: MlflowClient, run: Run, *, resumed: bool = False) -> None:
        self.run_id: str = run.info.run_id
        self._resumed = resumed
        self._logged: dict[str, set[int]] = {}
        self._client = client
        self._experiment_id: str = run.info.experiment_id
        self._params: dict[str, str] = dict(run.data.params)
        self._pending: list[Metric] = []
        self._flushed = time.monotonic()

    def params(self, values: Mapping[str, Any]) -> None:
        """Record settings. MLflow cannot change one, so a setting that changed since the run started becomes a tag."""
        from mlflow.entities import Param

        flat = {name: str(value)[:MAX_PARAM] for name, value in flatten(values)}
        for name, value in flat.items():
            if self._params.get(name, value) != value:
                self._client.set_tag(self.run_id, name, value)
        new = [Param(name, value) for name, value in flat.items() if name not in self._params]
        for start in range(0, len(new), PARAMS_AT_ONCE):
            self._client.log_batch(self.run_id, params=new[start : start + PARAMS_AT_ONCE])
        self._params |= {param.key: param.value for param in new}

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers; they are written within seconds, and the last ones at the end of the run."""
        from mlflow.entities import Metric

        now, at = int(time.time() * 1000), step or 0
        new = {name: value for name, value in values.items() if at not in self._steps_logged(name)}
        self._pending += [Metric(name, float(value), now, at) for name, value in new.items()]
        if len(self._pending) >= FLUSH_AT or time.monotonic() - self._flushed > FLUSH_EVERY:
            with suppress(_StoreFailed):
                self.flush()

    def _steps_logged(self, name: str) -> set[int]:
        """Steps for which the killed job has logged this metric; empty if the run is not resumed."""
        from mlflow.exceptions import MlflowException

        if self._resumed and name not in self._logged:
            points = []
            with suppress(MlflowException):  # then a point may be logged twice, which does no harm
                points = self._client.get_metric_history(self.run_id, name)
            self._logged[name] = {point.step for point in points}
        return self._logged.get(name, set())

    def artifact(self, path: Path | str, folder: str | None = None) -> None:
        """Store a copy of a file or folder."""
        store = self._client.log_artifacts if Path(path).is_dir() else self._client.log_artifact
        with _tolerated():
            store(self.run_id, str(path), folder)

    def dataset(self, name: str, source: Path, digest: str) -> None:
        """Record which images were used; the UI's column `Dataset` shows the name and the first part of the digest."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        place = json.dumps({"uri": str(source)})
        images = Dataset(name, digest[:SHOWN_DIGEST], "local", place, profile=json.dumps({"sha256": digest}))
        used = DatasetInput(images, [InputTag("mlflow.data.context", "training")])
        with _tolerated():
            self._client.log_inputs(self.run_id, [used])

    def model(self, name: str, source: Path, digest: str) -> None:
        """Record which file the run made, as an MLflow model without files of its own."""
        from mlflow.entities import LoggedModelOutput

        tags = {"path": str(source), "sha256": digest}
        with _tolerated():
            made = self._client.create_logged_model(
                self._experiment_id, name, source_run_id=self.run_id, tags=tags, model_type="safetensors"
            )
            self._client.finalize_logged_model(made.model_id, "READY")
            self._client.log_outputs(self.run_id, [LoggedModelOutput(made.model_id, step=0)])

    def flush(self) -> None:
        """Write pending metrics. If the store fails, training goes on: they are kept and written later.

        Raises:
            _StoreFailed: the store failed; nothing is lost yet.
        """
        from mlflow.exceptions import MlflowException

        self._flushed = time.monotonic()
        while self._pending:
            batch = self._pending[:FLUSH_AT]
            try:
                self._client.log_batch(self.run_id, metrics=batch)
            except MlflowException as error:
                log.warning("tracking: %d metrics not written yet (%s)", len(self._pending), first_line(error))
                raise _StoreFailed from error
            del self._pending[: len(batch)]


@contextmanager
def _tolerated() -> Iterator[None]:
    """A store that refuses what only describes a run, or its end, must not fail the training."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        log.warning("tracking: not recorded (%s)", first_line(error))


class _StoreFailed(Exception):
    """The store did not accept a batch."""


@contextmanager
def open_tracker(tracking: Tracking, key: str, *, replace: bool, resume: bool = False) -> Iterator[Tracker]:
    """Yield the tracker of the run `key`, and then end the run as FINISHED, FAILED or KILLED.

    Runs left open by killed jobs that were not repeated are ended as KILLED first.

    Args:
        tracking: backend and store.
        key: identifies the run in any process, and defines its place (`run_place`).
        replace: delete the earlier run of this key and start a new one; otherwise continue it, or create it.
        resume: continue it after a kill: what it has logged for a step is not logged again. Overrides `replace`.

    Raises:
        UserError: the store cannot be used.
    """
    if tracking.backend == "none":
        yield Tracker()
        return
    client = mlflow_client(os.environ.get("MLFLOW_TRACKING_URI") or ensure_store(tracking.store))
    run = _open_run(client, tracking, key, replace=replace, resume=resume)
    tracker = MlflowTracker(client, run, resumed=resume)
    try:
        yield tracker
    except BaseException as error:
        _finish(client, tracker, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    _finish(client, tracker, "FINISHED")


def _open_run(client: MlflowClient, tracking: Tracking, key: str, *, replace: bool, resume: bool) -> Run:
    from mlflow.exceptions import MlflowException

    place = run_place(key)
    try:
        experiment_id = _experiment(client, tracking, f"{tracking.project}/{place.experiment}")
        found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key}'")
        _end_runs_of_killed_jobs(client, experiment_id)
        if found and resume:
            client.set_tag(found[0].info.run_id, PROCESS_TAG, this_process())
            client.update_run(found[0].info.run_id, status="RUNNING")
        if found and (resume or not replace):
            return found[0]
        for run in found:
            client.delete_run(run.info.run_id)
        tags = {KEY_TAG: key, PROCESS_TAG: this_process(), **place.tags}
        return client.create_run(experiment_id, tags=tags, run_name=place.name)
    except MlflowException as error:
        raise UserError(
            f"tracking: the store cannot be used ({first_line(error)}); fix it, or set tracking.backend to none"
        ) from error


def _end_runs_of_killed_jobs(client: MlflowClient, experiment_id: str) -> None:
    """End the runs whose process no longer exists as KILLED, since it could not do so itself."""
    for run in client.search_runs([experiment_id], "attributes.status = 'RUNNING'"):
        if is_gone(run.data.tags.get(PROCESS_TAG, "")):
            client.set_terminated(run.info.run_id, "KILLED")


def _experiment(client: MlflowClient, tracking: Tracking, name: str) -> str:
    """The id of an experiment, which several processes may create at the same time."""
    from mlflow.exceptions import MlflowException

    remote = os.environ.get("MLFLOW_TRACKING_URI")
    location = None if remote else (Path(tracking.store).resolve() / "artifacts" / name).as_uri()
    for last in (False, True):
        found = client.get_experiment_by_name(name)
        if found is not None and found.lifecycle_stage == "deleted":
            client.restore_experiment(found.experiment_id)
        if found is not None:
            return found.experiment_id
        try:
            return client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS)
        except MlflowException as error:
            if last or error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
    raise AssertionError("unreachable")


def _finish(client: MlflowClient, tracker: MlflowTracker, status: str) -> None:
    """End the run. What it computed is in files: a store that fails now must not make the job fail."""
    with suppress(_StoreFailed):
        tracker.flush()
    with _tolerated():
        client.set_terminated(tracker.run_id, status)
