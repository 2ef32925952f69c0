"""MLflow's store: one database, created once, and named when it cannot be used."""

import os
import subprocess
import sys

import pytest

from csdn.config.tracking import Tracking
from csdn.errors import UserError
from csdn.tracking.store import ensure_store
from helpers.tracked_runs import client, log_once, runs

WORKER = """
import sys
from csdn.config.params import Tracking
from csdn.tracking.runs import open_tracker
store, name, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
tracking = Tracking(store=store)
with open_tracker(tracking, f"toy/{name}", replace=True) as tracker:
    tracker.params({"name": name})
    for step in range(steps):
        tracker.metrics({"loss": step, "accuracy": -step}, step)
        if step % 10 == 0:
            tracker.flush()  # many small transactions, as a long training makes
"""


@pytest.mark.slow
def test_eight_processes_meet_a_missing_store_and_nothing_is_lost(tmp_path):
    steps, names = 60, [f"worker_{n}" for n in range(8)]
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    store = tmp_path / "deep" / "mlruns"
    jobs = [
        subprocess.Popen([sys.executable, "-c", WORKER, store, name, str(steps)], env=environment) for name in names
    ]
    assert [job.wait() for job in jobs] == [0] * len(jobs)
    made = Tracking(store=str(store))
    found = {run.data.params["name"]: run for run in runs(made, "toy")}
    assert sorted(found) == names
    for run in found.values():
        assert run.info.status == "FINISHED"
        for metric in ("loss", "accuracy"):
            history = client(made).get_metric_history(run.info.run_id, metric)
            assert sorted(point.step for point in history) == list(range(steps))
            assert all(abs(point.value) == point.step for point in history)


def test_a_store_that_is_not_a_database_is_named(tmp_path):
    (tmp_path / "mlflow.db").write_text("not a database")
    with pytest.raises(UserError, match=r"mlflow\.db: cannot be used"):
        ensure_store(tmp_path)
    assert (tmp_path / "mlflow.db").read_text() == "not a database"


def test_a_store_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"tracking\.store: .*file"):
        ensure_store(tmp_path / "file" / "mlruns")


def test_a_database_made_by_mlflow_itself_is_kept(tmp_path):
    uri = ensure_store(tmp_path)
    log_once(Tracking(store=str(tmp_path)), replace=True)
    (tmp_path / ".ready").unlink()
    assert ensure_store(tmp_path) == uri
    assert len(runs(Tracking(store=str(tmp_path)), "sysu")) == 1
