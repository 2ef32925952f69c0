"""The jobs on a real GPU against the same jobs on the CPU: `pytest -m gpu`.

What needs no GPU to be found out is in test_on_a_gpu_that_is_not_there.py.
"""

import copy
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from csdn.artifacts.digests import sha256
from csdn.artifacts.files import read_json, read_tensors
from csdn.config.params import Params
from csdn.jobs.evaluation import run_embed_images
from csdn.jobs.explanation import run_explain_model
from csdn.jobs.pretraining import run_pretrain_clip
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.steps.settings import Checkpointing
from csdn.training import encoder_stage
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(1800)]
DEVICE = "cuda"


def settings(device=None, **encoder):
    """PARAMS on a device; one optimiser step of stage 2, in float32, unless told otherwise."""
    values = copy.deepcopy(PARAMS.model_dump())
    values["runtime"]["device"] = device or DEVICE
    values["encoder"] |= {"identities": 8, "images": 10, "precision": "fp32"} | encoder
    values["fusion"] |= {"dropout": 0.0}  # the CPU and the GPU draw other random numbers
    values["clip"]["pretraining"] |= {"steps": 2}
    return Params.model_validate(values)


@pytest.fixture
def train(made, tmp_path):
    """Trains csdn's encoder with given settings into a folder of a name; returns the encoder's file."""
    images, clip = (made / "index.parquet", made / "cache.npy"), made / "clip.safetensors"
    prompts, semantics = tmp_path / "prompts.safetensors", tmp_path / "semantics.safetensors"
    on_cpu = settings("cpu")
    run_learn_prompts(settings_of(on_cpu, "learn_prompts", variant="csdn", **CHOICE), *images, clip, prompts)
    run_fuse_semantics(
        settings_of(on_cpu, "fuse_semantics", variant="csdn", **CHOICE), *images, clip, prompts, semantics
    )

    def make(name, params, **runtime):
        step = settings_of(params, "train_encoder", variant="csdn", **CHOICE)
        kept = Checkpointing(folder=str(tmp_path / ".checkpoints" / name), seconds=0)
        machine = step.runtime.model_copy(update=runtime)
        output = tmp_path / name / "encoder.safetensors"
        step = step.model_copy(update={"checkpoints": kept, "runtime": machine})
        run_train_encoder(step, *images, clip, semantics, output)
        return output

    make.inputs, make.semantics = (*images, clip), semantics
    return make


def losses(file):
    history = pd.read_csv(file.with_name("history.csv"))
    return history.drop(columns=["seconds", "learning_rate"]).to_numpy(dtype=float)


def close(gpu, cpu, tolerance):
    np.testing.assert_allclose(losses(gpu), losses(cpu), rtol=tolerance, atol=tolerance)


def test_one_step_of_each_stage_gives_the_cpus_values(made, tmp_path, train):
    """In float32 the losses of a first step agree to 1e-4, features to 1e-4 of their unit length."""
    files = {}
    for device in ("cpu", DEVICE):
        params = settings(device)
        folder = tmp_path / device
        clip, prompts, semantics = (folder / f"{name}/x.safetensors" for name in ("clip", "prompts", "semantics"))
        run_pretrain_clip(settings_of(params, "pretrain_clip"), made / "pre" / "annotations.parquet", clip)
        run_learn_prompts(settings_of(params, "learn_prompts", variant="csdn", **CHOICE), *train.inputs, prompts)
        fuse = settings_of(params, "fuse_semantics", variant="csdn", **CHOICE)
        run_fuse_semantics(fuse, *train.inputs, prompts, semantics)
        encoder = train(f"{device}-encoder", params)
        files[device] = clip, prompts, semantics, encoder
    for gpu, cpu in zip(files[DEVICE], files["cpu"], strict=True):
        close(gpu, cpu, 1e-4)
        assert read_json(gpu.with_name(gpu.name + ".provenance.json"))["compute"]["device"].startswith(DEVICE)


def test_a_trained_encoder_embeds_and_explains_as_on_the_cpu(train, tmp_path):
    encoder = train("encoder", settings())
    found = {}
    for device in ("cpu", DEVICE):
        params, folder = settings(device), tmp_path / device
        embeddings, explanations = folder / "embeddings.safetensors", folder / "explanations.safetensors"
        run_embed_images(
            settings_of(params, "embed_images", variant="csdn", **CHOICE), *train.inputs[:2], encoder, embeddings
        )
        explain = settings_of(params, "explain_model", variant="csdn", **CHOICE)
        run_explain_model(explain, *train.inputs, encoder, train.semantics, explanations)
        found[device] = read_tensors(embeddings) | read_tensors(explanations)
    for name, value in found["cpu"].items():
        np.testing.assert_allclose(found[DEVICE][name], value, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("precision", "runtime", "tolerance"),
    [("tf32", {}, 0.02), ("bf16", {}, 0.1), ("fp32", {"compile": True}, 1e-3), ("bf16", {"compile": True}, 0.1)],
)
def test_other_precisions_and_compiled_networks_train_alike(train, precision, runtime, tolerance):
    close(train("other", settings(precision=precision), **runtime), train("plain", settings()), tolerance)


def test_a_rerun_is_the_same_bit_for_bit(train):
    params = settings(epochs=3, images=2, precision="bf16")
    assert sha256(train("one", params)) == sha256(train("two", params))


def test_a_stopped_training_goes_on_bit_for_bit(train, monkeypatch):
    params = settings(epochs=3, images=2)
    expected = sha256(train("undisturbed", params))
    optimize, calls = encoder_stage.optimize, []

    def stopping(*arguments):
        calls.append(arguments)
        if len(calls) == 7:
            raise KeyboardInterrupt
        optimize(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(encoder_stage, "optimize", stopping)
        with pytest.raises(KeyboardInterrupt):
            train("stopped", params)
    assert sha256(train("stopped", params)) == expected


def test_two_jobs_on_one_gpu_do_not_disturb_each_other(made, tmp_path, train):
    params = settings(epochs=3, images=2)
    expected = sha256(train("alone", params))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params.model_dump(mode="json")))
    index, cache, clip = train.inputs
    command = [sys.executable, "-m", "csdn", "train-encoder", "--params", tmp_path / "params.yaml"]
    command += ["--set", "tracking.backend=none", "--dataset", "sysu_mm01", "--split", "default", "--seed", 0]
    command += ["--variant", "csdn", "--index", index, "--cache", cache, "--clip", clip, "--semantics", train.semantics]
    outputs = [tmp_path / name / "encoder.safetensors" for name in ("first", "second")]
    jobs = [subprocess.Popen([*map(str, command), "--output", str(path)], cwd=tmp_path) for path in outputs]
    assert [job.wait() for job in jobs] == [0, 0]
    assert {sha256(path) for path in outputs} == {expected}
