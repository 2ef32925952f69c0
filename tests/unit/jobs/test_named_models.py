"""Models of open_clip with weights from a file go through every step, as a user of RN50 or ViT-B-16 has them."""

import numpy as np
import pandas as pd
import pytest

from csdn.artifacts.files import read_tensors
from csdn.config.params import Params
from csdn.config.tracking import Tracking
from csdn.errors import UserError
from csdn.jobs.evaluation import run_embed_images, run_score_retrieval
from csdn.jobs.explanation import run_explain_model
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection
from helpers.tiny_clip import random_state, register, write_archive, write_images

SIZE = (64, 32)
CHOICE = {"dataset": "sysu_mm01", "split": "default", "seed": 0, "variant": "csdn"}


def step(model, weights, name, **selection):
    params = Params.model_validate(
        {
            "datasets": {"sysu_mm01": {"layout": "sysu_mm01", "image_size": SIZE, "trials": 1}},
            "clip": {"model": model, "weights": str(weights)},
            "prompts": {"epochs": 1, "batch": 8, "logits": "dot"},
            "fusion": {"epochs": 1, "kind": "reference"},
            "encoder": {"epochs": 1, "identities": 3, "images": 2, "warmup_epochs": 0, "schedule": "cosine"},
            "variants": {"csdn": {}},
            "runtime": {"device": "cpu"},
        }
    )
    return step_settings(params, name, Selection(**(CHOICE | selection)), tracking=Tracking(backend="none"))


@pytest.mark.parametrize(
    ("model", "stem", "width"),
    [("tiny-resnet-quickgelu", "visible_stem.conv1", 256 + 16), ("tiny-vit-quickgelu", "visible_stem", 32 + 16)],
)
def test_a_model_with_a_file_goes_through_every_step(tmp_path, model, stem, width):
    register(tmp_path)
    weights = tmp_path / "weights.pt"
    write_archive(weights, random_state(model))
    write_images(tmp_path, SIZE)
    inputs = (tmp_path / "index.parquet", tmp_path / "cache.npy")
    prompts, semantics, encoder, embeddings = (
        tmp_path / f"{name}.safetensors" for name in ("prompts", "semantics", "encoder", "embeddings")
    )
    run_learn_prompts(step(model, weights, "learn_prompts"), *inputs, weights, prompts)
    run_fuse_semantics(step(model, weights, "fuse_semantics"), *inputs, weights, prompts, semantics)
    run_train_encoder(step(model, weights, "train_encoder"), *inputs, weights, semantics, encoder)
    trained = read_tensors(encoder)
    assert not np.array_equal(
        trained[f"backbone.{stem}.weight"], trained[f"backbone.{stem.replace('visible', 'infrared')}.weight"]
    )
    assert ("pooling.p" in trained) == ("resnet" in model)  # a class token is not pooled
    explained = tmp_path / "explanations.safetensors"
    run_explain_model(step(model, weights, "explain_model"), *inputs, weights, encoder, semantics, explained)
    assert ("grad_cam" in read_tensors(explained)) == ("resnet" in model)  # transformers have no map of positions
    weights.unlink()  # an encoder is whole without the weights that it started from
    run_embed_images(step(model, weights, "embed_images"), *inputs, encoder, embeddings)
    features = read_tensors(embeddings)["features"]
    assert features.shape == (4 * 4 * 3, 2 * width)
    np.testing.assert_allclose((features**2).sum(1), 4.0, rtol=1e-4)
    scored = step(model, weights, "score_retrieval", protocol="sysu_all_single")
    result = run_score_retrieval(scored, inputs[0], embeddings, tmp_path / "score.json")
    assert 0 < result["metrics"]["map"] <= 1
    assert pd.read_csv(tmp_path / "history.csv")["loss"].notna().all()


def test_an_encoder_does_not_start_from_random_weights_unasked(tmp_path):
    write_images(tmp_path, SIZE)
    values = {
        "datasets": {"sysu_mm01": {"layout": "sysu_mm01"}},
        "clip": {"weights": "mini"},
        "variants": {"csdn": {"encoder": {"text": "none"}}},
    }
    params = Params.model_validate(values)
    made = step_settings(params, "train_encoder", Selection(**CHOICE), tracking=Tracking(backend="none"))
    with pytest.raises(UserError, match="--clip"):
        run_train_encoder(
            made, tmp_path / "index.parquet", tmp_path / "cache.npy", None, None, tmp_path / "encoder.safetensors"
        )
    assert not (tmp_path / "encoder.safetensors").exists()
