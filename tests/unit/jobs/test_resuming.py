"""Trainings as jobs: repeatable, independent of each other, continued when stopped, and ended by a loss gone wrong."""

import json
import os
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch

from csdn.artifacts.digests import digest, sha256
from csdn.config.params import Params, merge
from csdn.config.tracking import Tracking
from csdn.errors import UserError
from csdn.jobs import training as jobs
from csdn.jobs.pretraining import run_pretrain_clip
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.steps.settings import Checkpointing
from csdn.training import encoder_stage
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of, step

MORE = Params.model_validate(
    merge(
        PARAMS.model_dump(mode="json"),
        {
            "variants": {"longer": {"encoder": {"epochs": 9}}, "shared": {"prompts": {"kind": "shared"}}},
            "seeds": [0, 1, 2],
            "tables": {"components": {"caption": "All", "variants": ["csdn", "shared"]}},
        },
    )
)


def train_all(params, made, folder, seed=0):
    """Every training of the variant csdn after the small CLIP; digests of what they made."""
    inputs = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors")
    prompts, semantics, encoder = (folder / f"{name}.safetensors" for name in ("prompts", "semantics", "encoder"))
    choice = CHOICE | {"variant": "csdn", "seed": seed}
    run_learn_prompts(settings_of(params, "learn_prompts", **choice), *inputs, prompts)
    run_fuse_semantics(settings_of(params, "fuse_semantics", **choice), *inputs, prompts, semantics)
    run_train_encoder(settings_of(params, "train_encoder", **choice), *inputs, semantics, encoder)
    return [sha256(path) for path in (prompts, semantics, encoder)]


def test_every_training_is_repeatable_and_knows_no_other_variant(made, tmp_path):
    assert step("train_encoder", variant="csdn", **CHOICE).runtime.deterministic
    first = train_all(PARAMS, made, tmp_path / "first")
    assert torch.are_deterministic_algorithms_enabled()
    torch.rand(5), np.random.default_rng().random(), random.random()  # others draw, too
    assert train_all(MORE, made, tmp_path / "second") == first
    assert not set(train_all(MORE, made, tmp_path / "other", seed=1)) & set(first)


@pytest.mark.slow
def test_the_small_clip_is_repeatable_and_knows_no_variant(made, tmp_path):
    clip = tmp_path / "clip.safetensors"
    run_pretrain_clip(settings_of(MORE, "pretrain_clip"), made / "pre" / "annotations.parquet", clip)
    assert sha256(clip) == sha256(made / "clip.safetensors")


@pytest.fixture
def baseline(made, tmp_path):
    """Trains the encoder without descriptions into a file of a name, a checkpoint after every step."""
    kept = Checkpointing(folder=str(tmp_path / ".checkpoints"), seconds=0)
    wanted = step("train_encoder", variant="baseline", **CHOICE).model_copy(update={"checkpoints": kept})

    def train(name):
        output = tmp_path / name / "encoder.safetensors"
        run_train_encoder(wanted, made / "index.parquet", made / "cache.npy", made / "clip.safetensors", None, output)
        return sha256(output)

    return train


def test_a_job_that_was_stopped_goes_on_and_cleans_up(baseline, tmp_path, monkeypatch, caplog):
    expected = baseline("undisturbed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["undisturbed"]

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "write_tensors", stop)
        with pytest.raises(KeyboardInterrupt):
            baseline("stopped")
    assert not (tmp_path / "stopped" / "encoder.safetensors").exists()
    assert list((tmp_path / ".checkpoints").rglob("step_*.safetensors"))
    with monkeypatch.context() as patch:
        patch.setattr(encoder_stage, "optimize", stop)  # nothing is left to train
        assert baseline("stopped") == expected
    assert "continuing after step" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped", "undisturbed"]


def test_a_loss_that_is_not_finite_stops_the_job_in_one_line(baseline, tmp_path, monkeypatch):
    expected = baseline("undisturbed")
    terms, calls = encoder_stage.loss_terms, []

    def diverged(*arguments):
        calls.append(arguments)
        found = terms(*arguments)
        return found | {"triplet": found["triplet"] * (float("inf") if len(calls) == 2 else 1.0)}

    with monkeypatch.context() as patch:
        patch.setattr(encoder_stage, "loss_terms", diverged)
        with pytest.raises(UserError) as caught:
            baseline("diverged")
    (aside,) = (tmp_path / ".checkpoints").rglob("not_finite/*.safetensors")
    rate = step("train_encoder", variant="baseline", **CHOICE).encoder.learning_rate
    line = str(caught.value)
    assert line.startswith("loss triplet is inf at step 1, learning rate ")
    assert 0 < float(line.split("learning rate ")[1].split(";")[0]) <= rate
    assert line.endswith(f"; lower the learning rate (the state is in {aside})")
    assert not list((tmp_path / "diverged").glob("*"))
    assert baseline("diverged") == expected  # from the step before, and the finding is no longer needed
    assert not (tmp_path / ".checkpoints").exists()


@pytest.mark.slow
def test_eight_jobs_share_a_store_and_a_cache(made, tmp_path):
    """Eight real processes at once: every run tracked with every point, the cache untouched, nothing left behind."""
    from mlflow import MlflowClient

    from csdn.tracking.store import ensure_store

    before = sha256(made / "cache.npy")
    store = tmp_path / "mlruns"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "CSDN_"))}
    environment |= {
        "CSDN_TRACKING": Tracking(store=str(store)).model_dump_json(),
        "CSDN_CHECKPOINTS": Checkpointing(folder=str(tmp_path / ".checkpoints"), seconds=0).model_dump_json(),
    }
    processes = []
    for seed in range(8):
        wanted = step("train_encoder", **{**CHOICE, "variant": "baseline", "seed": seed})
        command = [sys.executable, "-c", "from csdn.cli.main import main; main()", "train-encoder"]
        command += ["--params", wanted.text(), "--index", made / "index.parquet", "--cache", made / "cache.npy"]
        command += ["--clip", made / "clip.safetensors", "--output", tmp_path / str(seed) / "encoder.safetensors"]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, error = process.communicate()
        assert process.returncode == 0, error
    client = MlflowClient(tracking_uri=ensure_store(store))
    found = client.search_runs([client.get_experiment_by_name("csdn/sysu_mm01").experiment_id])
    assert sorted(run.data.tags["seed"] for run in found) == [str(seed) for seed in range(8)]
    for run in found:
        assert run.info.status == "FINISHED"
        history = pd.read_csv(tmp_path / run.data.tags["seed"] / "history.csv")
        for column in history.columns.drop(["epoch", "step"]):
            points = client.get_metric_history(run.info.run_id, f"encoder/{column}")
            np.testing.assert_allclose([point.value for point in points], history[column], rtol=1e-12)
    assert len({sha256(tmp_path / str(seed) / "encoder.safetensors") for seed in range(8)}) == 8
    records = [json.loads(path.read_text()) for path in tmp_path.rglob("encoder.safetensors.provenance.json")]
    assert len(records) == 8
    assert {record["inputs"]["cache"]["sha256"] for record in records} == {digest(made / "cache.npy")}
    assert sha256(made / "cache.npy") == before
    assert not (tmp_path / ".checkpoints").exists()
