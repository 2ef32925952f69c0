"""The whole process group of a run is killed at random moments, twenty times: it ends as an undisturbed run."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from .conftest import Workflow

KILLS = 20
SEEDS = range(KILLS)  # of the moment of each kill
LAYER = """
datasets: {sysu_mm01: {variants: [baseline, csdn]}}
tables: {components: {variants: [baseline, csdn], differences: [[csdn, baseline]]}}
clip: {pretraining: {steps: 40}}
prompts: {epochs: 8}
fusion: {epochs: 8}
encoder: {epochs: 6, selection: best_on_validation}
runtime: {checkpoint_seconds: 0}
"""
COMPARED = ("*.safetensors", "*.npy", "scores/*.json", "scores/*.parquet", "tables/components*", "tables/metrics.json")
COMMAND = ["scripts/snake", "all", "--cores", "2", "--configfile", "params.yaml", "config/smoke.yaml", "faults.yaml"]


class Run:
    """The pipeline in a folder of its own, as a process group."""

    def __init__(self, folder: Path, server) -> None:
        workflow = Workflow(folder, server, fake=False)
        (folder / "faults.yaml").write_text(LAYER)
        self.folder, self.environment = folder, workflow.environment
        self.results = folder / "results-smoke"
        self.starts = 0

    def start(self) -> subprocess.Popen:
        self.starts += 1
        with (self.folder / f"output_{self.starts}.txt").open("w") as output:
            return subprocess.Popen(
                COMMAND,
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What the last start has printed."""
        return (self.folder / f"output_{self.starts}.txt").read_text()

    def at_work(self, process: subprocess.Popen) -> float:
        """Wait for the first job; the time at which it began."""
        while "Execute " not in self.output and process.poll() is None:
            time.sleep(0.05)
        return time.monotonic()

    def finish(self) -> float:
        """Run to the end; seconds since the first job began."""
        process = self.start()
        began = self.at_work(process)
        if process.wait(timeout=3000):
            pytest.fail(self.output[-6000:])
        return time.monotonic() - began

    def finished_before_kill(self, seconds: float) -> bool:
        """Start, and kill everything `seconds` after its first job began; True where it has come to its end by then."""
        process = self.start()
        self.at_work(process)
        try:
            if process.wait(timeout=seconds):
                pytest.fail(self.output[-6000:])
            return True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            while members(process.pid):
                time.sleep(0.01)
            return False

    def resumed(self) -> list[str]:
        """The trainings that say in their log that they went on from a checkpoint."""
        return [str(log) for log in (self.folder / "logs").rglob("*.log") if "continuing after step" in log.read_text()]


def members(group: int) -> list[int]:
    """Processes of a group that are alive."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(of_group) == group and state not in "ZX":
            found.append(int(path.parent.name))
    return found


def digests(results: Path, pattern: str) -> dict[str, str]:
    found = sorted(path for path in results.rglob(pattern) if "mlruns" not in path.parts)
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def files(results: Path) -> set[str]:
    """Everything that was made, temporary files and checkpoints included, MLflow's store excluded."""
    return {
        str(path.relative_to(results))
        for path in results.rglob("*")
        if path.is_file() and path.relative_to(results).parts[0] != "mlruns"
    }


def curves(results: Path) -> dict[str, pd.DataFrame]:
    found = sorted(path for path in results.rglob("history.csv") if "mlruns" not in path.parts)
    return {str(p.relative_to(results)): pd.read_csv(p).drop(columns="seconds", errors="ignore") for p in found}


def assert_equal_runs(run: Run, undisturbed: Run) -> None:
    for pattern in (
        "*.safetensors",
        "scores/*.json",
        "scores/*.parquet",
        "*.npy",
        "tables/components*",
        "tables/metrics.json",
    ):
        expected = digests(undisturbed.results, pattern)
        assert expected
        assert digests(run.results, pattern) == expected, pattern
    for name, curve in curves(undisturbed.results).items():
        pd.testing.assert_frame_equal(curves(run.results)[name], curve, check_exact=True)
    assert files(run.results) == files(undisturbed.results)
    assert not [path for path in run.folder.rglob("*") if re.search(r"\.(part|tmp)$", path.name)]
    assert tracked_points(run) == tracked_points(undisturbed)


def tracked_points(run: Run) -> dict[str, dict[str, list[int]]]:
    """The steps of every curve of every run in MLflow. Each run has ended, once."""
    from mlflow import MlflowClient

    from csdn.tracking.store import ensure_store

    client = MlflowClient(tracking_uri=ensure_store(run.results / "mlruns"))
    found = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert {tracked.info.status for tracked in found} == {"FINISHED"}
    points: dict[str, dict[str, list[int]]] = {}
    for tracked in found:
        key = tracked.data.tags["csdn.key"]
        assert key not in points
        points[key] = {
            metric: [point.step for point in client.get_metric_history(tracked.info.run_id, metric)]
            for metric in tracked.data.metrics
        }
    return points


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_twenty_kills_change_nothing(tmp_path, server, capsys, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    undisturbed = Run(tmp_path / "undisturbed", server)
    duration = undisturbed.finish()
    rounds, run, killed, resumed = 0, Run(tmp_path / "killed_0", server), [], set()
    for seed in SEEDS:
        moment = random.Random(seed).uniform(0.05, 0.95) * duration
        while run.finished_before_kill(moment):  # then another one, from the start
            assert_equal_runs(run, undisturbed)
            resumed |= set(run.resumed())
            rounds += 1
            run = Run(tmp_path / f"killed_{rounds}", server)
        checkpoints = sorted(path.parts[-3] for path in run.results.glob(".checkpoints/*/*/*.safetensors"))
        killed.append(
            {"seed": seed, "seconds": round(moment, 2), "round": rounds, "training": sorted(set(checkpoints))}
        )
        resumed |= set(run.resumed())
    run.finish()
    assert_equal_runs(run, undisturbed)
    resumed |= set(run.resumed())
    with capsys.disabled():
        print(f"\nundisturbed {duration:.0f} s; {json.dumps(killed)}; resumed in {len(resumed)} logs")
    assert len(killed) == KILLS
    assert resumed
