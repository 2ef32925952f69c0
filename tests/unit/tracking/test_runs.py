"""Tracking: nothing is lost when jobs run in parallel, runs are found again, failures are marked."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from csdn.tracking.runs import MlflowTracker, Tracker, open_tracker, run_place
from helpers.tracked_runs import client, log_once, runs


def name_of(run):
    return run.data.tags["csdn.key"].split("/")[1]


def test_attaching_finds_the_run_again(store):
    first = log_once(store, replace=True, key="attach/run")
    second = log_once(store, replace=False, value=2.0, key="attach/run")
    assert first == second
    (run,) = runs(store, "attach")
    assert run.data.metrics["map"] == 2.0


def test_replacing_leaves_one_run_without_the_old_values(store):
    old = log_once(store, replace=True, key="replace/run", params={"encoder": {"epochs": 1}})
    new = log_once(store, replace=True, key="replace/run", params={"encoder": {"epochs": 2}})
    assert old != new
    (run,) = runs(store, "replace")
    assert run.info.run_id == new
    assert run.data.params == {"encoder.epochs": "2"}


def test_a_param_that_changed_becomes_a_tag(store):
    log_once(store, replace=True, key="params/run", params={"flip": True, "batch": 1})
    log_once(store, replace=False, key="params/run", params={"flip": False, "batch": 1, "new": 3})
    (run,) = runs(store, "params")
    assert run.data.params == {"flip": "True", "batch": "1", "new": "3"}
    assert run.data.tags["flip"] == "False"
    assert "batch" not in run.data.tags


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_block_that_raises_ends_its_run_and_keeps_its_metrics(store, error, status):
    with (
        pytest.raises(error),
        open_tracker(store, f"{status}/k", replace=True) as tracker,
    ):
        tracker.metrics({"loss": 1.0}, 3)
        raise error
    (run,) = runs(store, status)
    assert run.info.status == status
    assert run.data.metrics == {"loss": 1.0}


KILLED = """
import os, signal, sys
from csdn.config.params import Tracking
from csdn.tracking.runs import open_tracker
for key in ("resumed", "abandoned", "replaced"):
    tracked = open_tracker(Tracking(store=sys.argv[1]), f"killed/{key}", replace=True)
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
    before = {name_of(run): run for run in runs(store, "killed")}
    assert {run.info.status for run in before.values()} == {"RUNNING"}
    with open_tracker(store, "killed/resumed", replace=True, resume=True) as tracker:
        assert tracker.run_id == before["resumed"].info.run_id
        running = {name_of(run): run.info.status for run in runs(store, "killed")}
        assert running == {"resumed": "RUNNING", "abandoned": "KILLED", "replaced": "KILLED"}
        tracker.params({"epochs": 4})
        for epoch in range(4):
            tracker.metrics({"loss": epoch, "accuracy": epoch}, epoch)
    with open_tracker(store, "killed/replaced", replace=True) as tracker:
        assert tracker.run_id != before["replaced"].info.run_id
    after = {name_of(run): run.info.status for run in runs(store, "killed")}
    assert after == {"resumed": "FINISHED", "abandoned": "KILLED", "replaced": "FINISHED"}
    for metric in ("loss", "accuracy"):
        history = client(store).get_metric_history(before["resumed"].info.run_id, metric)
        assert [(point.step, point.value) for point in history] == [(n, n) for n in range(4)]


def test_runs_of_live_processes_and_of_other_hosts_are_left_alone(store):
    with open_tracker(store, "live/one", replace=True) as one:
        for tag in (f"{socket.gethostname()} {os.getpid()} 1", "elsewhere 1 1"):
            with open_tracker(store, "live/two", replace=True) as two:
                client(store).set_tag(two.run_id, "csdn.process", tag)
                log_once(store, replace=True, key="live/three")
                status = {name_of(run): run.info.status for run in runs(store, "live")}
                assert status["one"] == "RUNNING"
                # the same id, but another start: the process is gone and its id is used again
                assert status["two"] == ("RUNNING" if tag.startswith("elsewhere") else "KILLED")
    assert one.run_id != two.run_id


def test_artifacts_are_stored(store, tmp_path):
    (tmp_path / "history.csv").write_text("epoch\n1\n")
    with open_tracker(store, "files/k", replace=True) as tracker:
        tracker.artifact(tmp_path / "history.csv", "train")
    (run,) = runs(store, "files")
    (entry,) = client(store).list_artifacts(run.info.run_id, "train")
    assert entry.path == "train/history.csv"


def test_the_images_used_and_the_file_made_are_recorded_with_their_digests(store):
    digest = "0123456789abcdef" * 4
    with open_tracker(store, "digests/k", replace=True) as tracker:
        tracker.dataset("sysu_mm01-default", Path("data/index/sysu_mm01.parquet"), digest)
        tracker.model("encoder", Path("results/encoder.safetensors"), digest)
    (run,) = runs(store, "digests")
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, json.loads(used.dataset.profile)) == ("sysu_mm01-default", {"sha256": digest})
    (made,) = run.outputs.model_outputs
    model = client(store).get_logged_model(made.model_id)
    assert (model.name, model.tags["sha256"], model.status) == ("encoder", digest, "READY")


def test_a_store_that_refuses_a_description_does_not_fail_the_training(store, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    def refuse(*args, **kwargs):
        raise MlflowException("disk full\nmore")

    with open_tracker(store, "tolerates/k", replace=True) as tracker, monkeypatch.context() as patch:
        patch.setattr(tracker._client, "log_inputs", refuse)
        patch.setattr(tracker._client, "create_logged_model", refuse)
        patch.setattr(tracker._client, "log_artifact", refuse)
        tracker.dataset("a", Path("b"), "c")
        tracker.model("a", Path("b"), "c")
        tracker.artifact("x")
    assert caplog.text.count("disk full") == 3
    (run,) = runs(store, "tolerates")
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize(
    ("key", "experiment", "name", "kind"),
    [
        ("sysu_mm01/default/runs/csdn/seed_0", "sysu_mm01", "csdn seed 0", "runs"),
        ("regdb/3/runs/csdn/seed_1", "regdb", "csdn split 03 seed 1", "runs"),
        ("regdb/10/prompts/specific-tokens_8/seed_1", "regdb", "prompts specific-tokens_8 split 10 seed 1", "prompts"),
        ("clip/mini", "clip", "mini", "clip"),
        ("summary/latest", "summary", "latest", "summary"),
    ],
)
def test_a_run_has_a_name_that_sorts_and_tags_to_filter_by(key, experiment, name, kind):
    place = run_place(key)
    assert (place.experiment, place.name, place.tags["kind"]) == (experiment, name, kind)


def test_a_store_that_refuses_does_not_fail_the_training(store, monkeypatch, caplog):
    from mlflow.exceptions import MlflowException

    def refuse(*args, **kwargs):
        raise MlflowException("disk full\nmore")

    with open_tracker(store, "refuse/k", replace=True) as tracker:
        assert isinstance(tracker, MlflowTracker)
        with monkeypatch.context() as patch:
            patch.setattr(tracker._client, "log_batch", refuse)
            tracker.metrics({f"m{n}": n for n in range(500)})
            assert "disk full" in caplog.text
    (run,) = runs(store, "refuse")
    assert len(run.data.metrics) == 500


def test_no_backend_imports_nothing(tmp_path):
    code = (
        "import sys; from csdn.config.params import Tracking; from csdn.tracking.runs import *\n"
        "with open_tracker(Tracking(backend='none'), 'a/b', replace=True) as t:\n"
        "    t.params({'a': 1}); t.metrics({'b': 2}, 1); t.artifact('x')\n"
        "assert type(t) is Tracker and not {'mlflow', 'torch', 'pandas'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert Tracker().metrics({}) is None
