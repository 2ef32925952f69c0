"""Tracking: nothing is lost when jobs run in parallel, runs are found again, failures are marked."""

import json
import os
import socket
import subprocess
import sys

import pytest

from csdn.config import Tracking
from csdn.errors import UserError
from csdn.tracking import MlflowTracker, NullTracker, open_tracker, track_scores
from csdn.tracking_store import ensure_store

WORKER = """
import sys
from csdn.config import Tracking
from csdn.tracking import open_tracker
store, name, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
tracking = Tracking(store=store)
with open_tracker(tracking, experiment="toy", key=name, name=name, tags={"seed": 0}, replace=True) as tracker:
    tracker.params({"name": name})
    for step in range(steps):
        tracker.metrics({"loss": step, "accuracy": -step}, step)
        if step % 10 == 0:
            tracker.flush()  # many small transactions, as a long training makes
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Tracking(store=str(tmp_path_factory.mktemp("tracking") / "mlruns"))


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def client(tracking):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=ensure_store(tracking.store))


def runs(tracking, experiment):
    api = client(tracking)
    return api.search_runs([api.get_experiment_by_name(f"csdn/{experiment}").experiment_id])


def log_once(tracking, *, replace, value=1.0, experiment="sysu", key="sysu/run", params=None):
    with open_tracker(tracking, experiment=experiment, key=key, name="run", tags={}, replace=replace) as tracker:
        tracker.params(params or {})
        tracker.metrics({"map": value})
        return tracker.run_id


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


def test_attaching_finds_the_run_again(store):
    first = log_once(store, replace=True, experiment="attach")
    second = log_once(store, replace=False, value=2.0, experiment="attach")
    assert first == second
    (run,) = runs(store, "attach")
    assert run.data.metrics["map"] == 2.0


def test_replacing_leaves_one_run_without_the_old_values(store):
    old = log_once(store, replace=True, experiment="replace", params={"encoder": {"epochs": 1}})
    new = log_once(store, replace=True, experiment="replace", params={"encoder": {"epochs": 2}})
    assert old != new
    (run,) = runs(store, "replace")
    assert run.info.run_id == new
    assert run.data.params == {"encoder.epochs": "2"}


def test_a_param_that_changed_becomes_a_tag(store):
    log_once(store, replace=True, experiment="params", params={"flip": True, "batch": 1})
    log_once(store, replace=False, experiment="params", params={"flip": False, "batch": 1, "new": 3})
    (run,) = runs(store, "params")
    assert run.data.params == {"flip": "True", "batch": "1", "new": "3"}
    assert run.data.tags["flip"] == "False"
    assert "batch" not in run.data.tags


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_block_that_raises_ends_its_run_and_keeps_its_metrics(store, error, status):
    with (
        pytest.raises(error),
        open_tracker(store, experiment=status, key="k", name="n", tags={}, replace=True) as tracker,
    ):
        tracker.metrics({"loss": 1.0}, 3)
        raise error
    (run,) = runs(store, status)
    assert run.info.status == status
    assert run.data.metrics == {"loss": 1.0}


KILLED = """
import os, signal, sys
from csdn.config import Tracking
from csdn.tracking import open_tracker
for key in ("resumed", "abandoned", "replaced"):
    tracked = open_tracker(Tracking(store=sys.argv[1]), experiment="killed", key=key, name=key, tags={}, replace=True)
    tracker = tracked.__enter__()
    kept = [*globals().get("kept", []), tracked]
    tracker.params({"epochs": 4})
    for epoch in range(2):
        tracker.metrics({"loss": epoch}, epoch)
    tracker.flush()
    tracker.metrics({"loss": 2}, 2)  # never reaches the store
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_jobs_run_is_gone_on_with_or_ended(store):
    assert subprocess.run([sys.executable, "-c", KILLED, store.store]).returncode == -9
    before = {run.data.tags["csdn.key"]: run for run in runs(store, "killed")}
    assert {run.info.status for run in before.values()} == {"RUNNING"}
    make = {"experiment": "killed", "tags": {}, "replace": True}
    with open_tracker(store, key="resumed", name="resumed", **make, resume=True) as tracker:
        assert tracker.run_id == before["resumed"].info.run_id
        running = {run.data.tags["csdn.key"]: run.info.status for run in runs(store, "killed")}
        assert running == {"resumed": "RUNNING", "abandoned": "KILLED", "replaced": "KILLED"}
        tracker.params({"epochs": 4})
        for epoch in range(4):
            tracker.metrics({"loss": epoch, "accuracy": epoch}, epoch)
    with open_tracker(store, key="replaced", name="replaced", **make) as tracker:
        assert tracker.run_id != before["replaced"].info.run_id
    after = {run.data.tags["csdn.key"]: run.info.status for run in runs(store, "killed")}
    assert after == {"resumed": "FINISHED", "abandoned": "KILLED", "replaced": "FINISHED"}
    for metric in ("loss", "accuracy"):
        history = client(store).get_metric_history(before["resumed"].info.run_id, metric)
        assert [(point.step, point.value) for point in history] == [(n, n) for n in range(4)]


def test_runs_of_live_processes_and_of_other_hosts_are_left_alone(store):
    with open_tracker(store, experiment="live", key="one", name="one", tags={}, replace=True) as one:
        for tag in (f"{socket.gethostname()} {os.getpid()} 1", "elsewhere 1 1"):
            with open_tracker(store, experiment="live", key="two", name="two", tags={}, replace=True) as two:
                client(store).set_tag(two.run_id, "csdn.process", tag)
                log_once(store, replace=True, experiment="live", key="three")
                status = {run.data.tags["csdn.key"]: run.info.status for run in runs(store, "live")}
                assert status["one"] == "RUNNING"
                # the same id, but another start: the process is gone and its id is used again
                assert status["two"] == ("RUNNING" if tag.startswith("elsewhere") else "KILLED")
    assert one.run_id != two.run_id


def test_artifacts_are_stored(store, tmp_path):
    (tmp_path / "history.csv").write_text("epoch\n1\n")
    with open_tracker(store, experiment="files", key="k", name="n", tags={}, replace=True) as tracker:
        tracker.artifact(tmp_path / "history.csv", "train")
    (run,) = runs(store, "files")
    (entry,) = client(store).list_artifacts(run.info.run_id, "train")
    assert entry.path == "train/history.csv"


def test_a_store_that_refuses_does_not_fail_the_training(store, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    def refuse(*args, **kwargs):
        raise MlflowException("disk full\nmore")

    with open_tracker(store, experiment="refuse", key="k", name="n", tags={}, replace=True) as tracker:
        assert isinstance(tracker, MlflowTracker)
        with monkeypatch.context() as patch:
            patch.setattr(tracker._client, "log_batch", refuse)
            tracker.metrics({f"m{n}": n for n in range(500)})
            assert "disk full" in caplog.text
    (run,) = runs(store, "refuse")
    assert len(run.data.metrics) == 500


def test_no_backend_imports_nothing(tmp_path):
    code = (
        "import sys; from csdn.config import Tracking; from csdn.tracking import *\n"
        "with open_tracker(Tracking(backend='none'), experiment='a', key='b', name='c', tags={}, replace=True) as t:\n"
        "    t.params({'a': 1}); t.metrics({'b': 2}, 1); t.artifact('x')\n"
        "assert isinstance(t, NullTracker) and not {'mlflow', 'torch', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert NullTracker().metrics({}) is None


def scores(variant, protocol, rank_1):
    return {
        "dataset": "sysu_mm01",
        "split": "default",
        "variant": variant,
        "seed": 0,
        "protocol": protocol,
        "metrics": {"rank_1": rank_1, "map": 0.5},
    }


def test_scores_go_to_their_runs_once(store, tmp_path):
    key = "sysu_mm01/default/runs/csdn/seed_0"
    trained = log_once(store, replace=True, experiment="sysu_mm01", key=key)
    files = []
    for variant in ("csdn", "baseline"):
        for protocol in ("sysu_all_single", "sysu_indoor_single"):
            path = tmp_path / variant / f"{protocol}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(scores(variant, protocol, 0.25)))
            files.append(path)
    for _ in range(2):
        ids = track_scores(store, files)
        assert sorted(ids) == ["sysu_mm01/default/runs/baseline/seed_0", key]
        assert ids[key] == trained
        assert len(runs(store, "sysu_mm01")) == 2
    run = client(store).get_run(trained)
    assert run.data.metrics["sysu_all_single/rank_1"] == 0.25
    assert run.data.metrics["map"] == 1.0
    assert track_scores(Tracking(backend="none"), files) == {}


def test_a_store_that_is_no_database_is_named(tmp_path):
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
