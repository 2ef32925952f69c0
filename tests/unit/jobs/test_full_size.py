"""The full RN50 at 288x144 with config/paper.yaml: one optimiser step of every stage, from a file as OpenAI's."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from csdn.artifacts.files import read_tensors
from csdn.config.loading import load_params
from csdn.jobs.evaluation import run_embed_images
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection
from helpers.tiny_clip import random_state, write_archive, write_images

ROOT = Path(__file__).parents[3]
SIZE = (288, 144)
CHOICE = {"dataset": "sysu_mm01", "split": "default", "variant": "csdn", "seed": 0}
MODEL = "RN50-quickgelu"


def changed(before, after):
    return not np.array_equal(before, after)


@pytest.fixture
def weights(tmp_path):
    """Random weights in an archive; residual branches open, for closed ones pass no gradient in the first step."""
    state = random_state(MODEL)
    for key, value in state.items():
        if key.endswith("bn3.weight"):
            value.fill_(0.5)
    write_archive(tmp_path / "RN50.pt", state)
    return tmp_path / "RN50.pt"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("device", "identities", "images"),
    [
        pytest.param("cpu", 3, 3, marks=pytest.mark.slow),  # a third of the paper's batch: memory of a laptop
        pytest.param("cuda", 8, 4, marks=pytest.mark.gpu),
    ],
)
def test_one_step_of_every_stage(tmp_path, weights, device, identities, images):
    write_images(tmp_path, SIZE, train=identities, test=2, images=1)
    inputs = (tmp_path / "index.parquet", tmp_path / "cache.npy")
    layers = [ROOT / "params.yaml", ROOT / "config/paper.yaml"]
    overrides = [f"clip.weights={weights}", f"runtime.device={device}", "runtime.threads=1", "tracking.backend=none"]
    overrides += [f"{section}.epochs=1" for section in ("prompts", "fusion", "encoder")]
    overrides += [f"encoder.identities={identities}", f"encoder.images={images}", "encoder.warmup_epochs=0"]
    params = load_params(layers, overrides)

    def step(name):
        return step_settings(params, name, Selection(**CHOICE), tracking={"backend": "none"})

    names = ("prompts", "semantics", "encoder", "embeddings")
    files = {name: tmp_path / name / f"{name}.safetensors" for name in names}
    run_learn_prompts(step("learn_prompts"), *inputs, weights, files["prompts"])
    prompts = read_tensors(files["prompts"])
    assert prompts["contexts"].shape == (2, identities, 4, 512)
    assert prompts["text_visible"].shape == (identities, 1024)
    run_fuse_semantics(step("fuse_semantics"), *inputs, weights, files["prompts"], files["semantics"])
    semantics = read_tensors(files["semantics"])
    assert semantics["text_visible"].shape == (identities, 1024)
    assert np.isfinite(semantics["text_visible"]).all()
    assert any(name.startswith("fusion.") for name in semantics)
    run_train_encoder(step("train_encoder"), *inputs, weights, files["semantics"], files["encoder"])
    encoder = read_tensors(files["encoder"])
    assert all(np.isfinite(value).all() for value in encoder.values())
    started = torch.jit.load(weights).state_dict()
    for part, key in (
        ("visible_stem.conv1", "conv1"),
        ("infrared_stem.conv1", "conv1"),
        ("layers.0.0.conv1", "layer1.0.conv1"),
        ("layers.3.2.conv3", "layer4.2.conv3"),
        ("attention_pool.c_proj", "attnpool.c_proj"),
    ):
        assert changed(started[f"visual.{key}.weight"].float().numpy(), encoder[f"backbone.{part}.weight"]), part
    assert encoder["backbone.attention_pool.positional_embedding"].shape == (18 * 9 + 1, 2048)
    for name in ("prompts", "semantics", "encoder"):
        history = pd.read_csv(tmp_path / name / "history.csv")
        assert len(history) == 1 and np.isfinite(history["loss"]).all()
    assert pd.read_csv(tmp_path / "encoder/history.csv")["step"].tolist() == [1]
    run_embed_images(step("embed_images"), *inputs, files["encoder"], files["embeddings"])
    assert read_tensors(files["embeddings"])["features"].shape == (2 * 4, 6144)
    if device == "cuda":  # the paper's batch, 96 images of 288 x 144, has to fit a card of 16 GiB
        assert torch.cuda.max_memory_reserved() < 16 * 2**30
