"""`runtime.device: cuda` where no GPU can be used: one line before any work, and nothing is written."""

import pytest
import torch
import yaml

from helpers.refusals import contents, refused
from helpers.tiny_jobs import PARAMS


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the settings, on a machine whose GPU, if it has one, cannot be used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS.model_dump(mode="json")))
    return tmp_path


@pytest.mark.parametrize("step", ["learn-prompts", "fuse-semantics", "train-encoder", "embed-images", "explain-model"])
def test_a_step_is_refused(place, made, run, capsys, step):
    options = ["--index", made / "index.parquet", "--cache", made / "cache.npy"]
    options += [] if step == "embed-images" else ["--clip", made / "clip.safetensors"]
    options += ["--prompts", run.encoder] if step == "fuse-semantics" else []
    options += ["--encoder", run.encoder] if step in ("embed-images", "explain-model") else []
    options += [
        "--dataset",
        "sysu_mm01",
        "--variant",
        "baseline" if step == "train-encoder" else "csdn",
        "--split",
        "default",
        "--seed",
        0,
    ]
    check(place, capsys, step, *options)


def test_pre_training_is_refused(place, made, capsys):
    check(place, capsys, "pretrain-clip", "--annotations", made / "pre" / "annotations.parquet")


def check(place, capsys, step, *options):
    before = contents(place)
    output = ["--output", place / "results" / "made.safetensors"]
    line = refused(capsys, step, "--params", "params.yaml", "--set", "runtime.device=cuda", *options, *output)
    assert line.startswith("runtime.device: `cuda` cannot be used because ")
    assert line.endswith("; or set it to `cpu`")
    assert contents(place) == before
