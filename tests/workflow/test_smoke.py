"""The whole pipeline for real, from rendered images to the report, with the settings of config/smoke.yaml."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

from csdn.artifacts.digests import digest
from csdn.config.base import PROTOCOLS
from csdn.config.tracking import Tracking
from csdn.launch.preloaded import VARIABLE

from .conftest import ROOT, Workflow

LAYERS = ("--configfile", "params.yaml", "config/smoke.yaml")
METRICS = {"rank_1", "rank_5", "rank_10", "rank_20", "map", "minp"}
COMPUTED = {"pretrain_clip", "learn_prompts", "fuse_semantics", "train_encoder", "embed_images", "explain_model"}
STEPS = {
    "make_dataset",
    "pretrain_clip",
    "index_images",
    "learn_prompts",
    "fuse_semantics",
    "train_encoder",
    "embed_images",
    "explain_model",
    "score_retrieval",
}


@pytest.fixture(scope="module")
def smoke(tmp_path_factory, server):
    """The finished run; its jobs are forked from a resident process, as in `make smoke`."""
    workflow = Workflow(tmp_path_factory.mktemp("smoke") / "clone", server, fake=False)
    with preloaded(workflow):
        workflow.snakemake("all", *LAYERS)
    return workflow


@contextmanager
def preloaded(workflow):
    """The resident process that `scripts/snake` starts, which imports before the first job instead of beside it."""
    (workflow.folder / ".snakemake").mkdir()
    workflow.environment[VARIABLE] = ".snakemake/preloaded.sock"
    command = [sys.executable, "-m", "csdn.launch.preloaded", workflow.environment[VARIABLE], str(os.getpid())]
    process = subprocess.Popen(command, cwd=workflow.folder, env=workflow.environment)
    try:
        while not (workflow.folder / workflow.environment[VARIABLE]).exists():
            assert process.poll() is None
            time.sleep(0.05)
        workflow.call("csdn", "--help")  # once it has forked this, it imports
        yield
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait()
        del workflow.environment[VARIABLE]


@pytest.fixture(scope="module")
def results(smoke):
    return smoke.folder / "results-smoke"


def runs(results):
    return sorted((results / "sysu_mm01/default/runs").glob("*/seed_*"))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_everything_stays_in_its_folder(smoke):
    made = {path.name for path in smoke.folder.iterdir() if not path.name.startswith(".")}
    assert made == {"workflow", "scripts", "config", "params.yaml", "dvc.yaml", "results-smoke", "logs"}


def test_nothing_is_left_to_do(smoke):
    assert smoke.plan("all", *LAYERS) == {}


def test_every_protocol_of_every_variant_is_scored(results):
    assert [run.parent.name for run in runs(results)] == ["baseline", "csdn"]
    for run in runs(results):
        for protocol in PROTOCOLS["sysu_mm01"]:
            scores = json.loads((run / f"scores/{protocol}.json").read_text())
            assert (scores["variant"], scores["protocol"], scores["trials"]) == (run.parent.name, protocol, 2)
            assert set(scores["metrics"]) == METRICS
            assert all(0 <= value <= 1 for value in scores["metrics"].values())
            queries = pd.read_parquet(run / f"scores/{protocol}.parquet")
            means = queries.groupby("trial")["average_precision"].mean()
            assert means.mean() == pytest.approx(scores["metrics"]["map"], abs=1e-6)


def test_training_left_its_curves(results):
    for run in runs(results):
        history = pd.read_csv(run / "history.csv")
        assert list(history["epoch"]) == list(range(len(history)))
        assert {"loss", "validation_map"} <= set(history.columns)
        assert history["loss"].notna().all()


def test_results_say_what_they_came_from(smoke, results):
    records = list(results.rglob("*.provenance.json"))
    steps = set()
    for path in records:
        record = json.loads(path.read_text())
        steps.add(record["parameters"]["step"])
        assert path.with_name(path.name.removesuffix(".provenance.json")).is_file()
        for source in record["inputs"].values():
            assert digest(smoke.folder / source["path"]) == source["sha256"]
        if record["parameters"]["step"] in COMPUTED:
            computed = record["compute"]
            assert computed["precision"] in ("fp32", "bf16") and not computed["tf32"]
            assert computed["device"] and computed["name"] and computed["deterministic"]
        else:
            assert "compute" not in record
    assert steps >= STEPS
    assert str(smoke.folder) not in "".join(path.read_text() for path in records)


def test_the_report_is_one_page_with_the_tables(results):
    page = (results / "report.html").read_text()
    assert "csdn" in page and "baseline" in page
    table = pd.read_csv(results / "tables/components.csv")
    assert list(table.columns[:8]) == [
        *("dataset", "protocol", "variant", "seeds", "map_mean", "map_std", "rank_1_mean", "rank_1_std"),
    ]
    assert set(table["variant"]) == {"baseline", "csdn"}
    assert any((results / "figures").glob("*.svg"))
    assert "deterministic kernels only: " in page and "float32 (no TF32) in " in page
    assert "Durations are not known" not in page and "train_encoder</th>" in page
    assert {path.stem for path in (results / "curves").glob("*.csv")} == {"matches", "training"}


def test_every_run_is_tracked_once_with_its_scores(results, monkeypatch):
    from mlflow import MlflowClient

    from csdn.tracking.store import ensure_store

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    client = MlflowClient(tracking_uri=ensure_store(Tracking(store=str(results / "mlruns")).store))
    found = client.search_runs([e.experiment_id for e in client.search_experiments()])
    by_key = {run.data.tags["csdn.key"]: run for run in found if "csdn.key" in run.data.tags}
    place = "sysu_mm01/default"
    assert sorted(by_key) == [
        "clip/mini",
        "summary/latest",
        f"{place}/prompts/specific/seed_0",
        f"{place}/runs/baseline/seed_0",
        f"{place}/runs/csdn/seed_0",
        f"{place}/semantics/specific-reference/seed_0",
    ]
    assert len(found) == 6
    assert {run.info.status for run in found} == {"FINISHED"}
    ids = json.loads((results / "tracking.json").read_text())
    for key, run_id in ids.items():
        run = by_key[key]
        assert run.info.run_id == run_id
        assert run.data.params["encoder.epochs"] == "2"
        scores = json.loads((results / f"{key}/scores/sysu_all_single.json").read_text())
        assert run.data.metrics["sysu_all_single/rank_1"] == pytest.approx(scores["metrics"]["rank_1"])


def test_the_example_of_any_methods_features_gives_our_own_scores(smoke, results):
    """docs/protocols.md, word for word but for the folders."""
    text = (ROOT / "docs" / "protocols.md").read_text().split("### Example")[1]
    text = text.replace("data/", "results-smoke/data/").replace("results/", "results-smoke/")
    for draw, default in (("mm01/1/", "mm01/default/"), ("mm01-draw_1", "mm01"), ("mm01/draw_1", "mm01")):
        text = text.replace(draw, default)  # the smoke run has one set of people and no draws
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    command = re.search(r"```console\n\$ (.*?)\n```", text, re.DOTALL)[1]
    smoke.call(sys.executable, "-c", code)
    names = ["sysu_all_single.json", "sysu_all_single.parquet", "sysu_all_single.json.provenance.json", "features.npz"]
    try:
        smoke.call(str(Path(sys.executable).with_name("csdn")), *command.split()[1:], "--trials", "2")
        found = json.loads((smoke.folder / names[0]).read_text())
        ours = json.loads((results / f"sysu_mm01/default/runs/csdn/seed_0/scores/{names[0]}").read_text())
        assert found["metrics"] == pytest.approx(ours["metrics"], abs=1e-9)
        smoke.call(str(Path(sys.executable).with_name("csdn")), *command.split()[1:], "--rerank", "--k1", "5")
        assert json.loads((smoke.folder / names[0]).read_text())["reranked"]
    finally:
        for name in names:
            (smoke.folder / name).unlink(missing_ok=True)


def repeats_exactly(smoke, results, *steps):
    run = results / "sysu_mm01/default/runs/csdn/seed_0"
    files = [
        results / "clip/mini/clip.safetensors",
        results / "sysu_mm01/default/semantics/specific-reference/seed_0/semantics.safetensors",
        run / "encoder.safetensors",
        run / "embeddings.safetensors",
        run / "scores/sysu_all_single.json",
    ]
    before = [sha256(path) for path in files]
    times = [path.stat().st_mtime_ns for path in files]
    smoke.snakemake(str(files[-1].relative_to(smoke.folder)), *LAYERS, "--forcerun", *steps)
    assert times[-1] != files[-1].stat().st_mtime_ns
    return [sha256(path) for path in files] == before


@pytest.mark.slow
def test_the_same_seed_gives_the_same_encoder_and_scores(smoke, results):
    assert repeats_exactly(smoke, results, "train_encoder", "embed_images", "score_retrieval")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_result_from_the_images_on(smoke, results):
    assert repeats_exactly(smoke, results, "make_dataset", "pretrain_clip", "learn_prompts", "fuse_semantics")


@pytest.mark.gpu
@pytest.mark.timeout(1800)
def test_the_same_commands_run_on_a_gpu_to_the_report(tmp_path, server):
    workflow = Workflow(tmp_path / "clone", server, fake=False)
    workflow.snakemake("all", *LAYERS, "--config", "runtime={device: cuda}", "--resources", "gpu=2")
    results = workflow.folder / "results-smoke"
    records = [json.loads(path.read_text()) for path in results.rglob("*.provenance.json")]
    computed = {record["compute"]["device"] for record in records if "compute" in record}
    assert computed == {"cuda:0"}
    assert "(cuda:0), deterministic kernels only: " in (results / "report.html").read_text()
    assert workflow.plan("all", *LAYERS, "--config", "runtime={device: cuda}") == {}
