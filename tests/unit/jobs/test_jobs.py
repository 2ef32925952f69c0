"""The jobs on a tiny rendered dataset: what reaches training, what is written, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from csdn.artifacts.digests import sha256
from csdn.artifacts.files import read_tensors, write_parquet
from csdn.config.evaluation import Reranking
from csdn.data.image_cache import write_pixels
from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.jobs.data import build_index
from csdn.jobs.evaluation import run_embed_images, run_score_retrieval
from csdn.jobs.explanation import run_explain_model
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from helpers.tiny_jobs import CHOICE, step


def train(made, folder, variant="csdn", index="index.parquet", cache="cache.npy"):
    inputs = (made / index, made / cache, made / "clip.safetensors")
    semantics = None
    if variant == "csdn":
        prompts, semantics = folder / "prompts.safetensors", folder / "semantics.safetensors"
        run_learn_prompts(step("learn_prompts", variant="csdn", **CHOICE), *inputs, prompts)
        run_fuse_semantics(step("fuse_semantics", variant="csdn", **CHOICE), *inputs, prompts, semantics)
    encoder = folder / "encoder.safetensors"
    run_train_encoder(step("train_encoder", variant=variant, **CHOICE), *inputs, semantics, encoder)
    return encoder


def test_all_sets_of_identities_and_cameras_are_disjoint(made):
    """No test identity, nor any camera of the re-ID set, is known to the small CLIP or to training."""
    sysu, pre = (pd.read_parquet(made / name / "annotations.parquet") for name in ("sysu", "pre"))
    index = pd.read_parquet(made / "index.parquet").merge(sysu[["path", "identity_key"]], on="path")
    by_subset = {name: set(group["identity_key"]) for name, group in index.groupby("subset_default")}
    assert set(by_subset) == {"train", "val", "test"}
    sets = [*by_subset.values(), *(set(group["identity_key"]) for _, group in pre.groupby("subset"))]
    assert sum(map(len, sets)) == len(set().union(*sets))
    assert not set(sysu["camera_key"]) & set(pre["camera_key"])
    assert set(pre.loc[pre["subset"] == "train", "modality"]) == {"visible"}


def test_test_images_cannot_influence_training(made, tmp_path):
    """Replace every test image by noise, and drop half of them: the trained encoder is the same, bit for bit."""
    index, cache = pd.read_parquet(made / "index.parquet"), np.load(made / "cache.npy")
    test = np.flatnonzero(index["subset_default"] == "test")
    cache[test] = np.random.default_rng(0).integers(0, 256, cache[test].shape)
    keep = np.setdiff1d(np.arange(len(index)), test[::2])
    write_parquet(made / "other.parquet", index.iloc[keep].reset_index(drop=True))
    kept = index.iloc[keep]["path"]
    write_pixels(made / "other.npy", cache[keep].shape, [cache[keep]], kept)
    first = train(made, tmp_path / "a")
    second = train(made, tmp_path / "b", index="other.parquet", cache="other.npy")
    assert sha256(first) == sha256(second)


def test_the_path_from_pixels_to_scores(made, tmp_path):
    encoder = train(made, tmp_path)
    embeddings, output = tmp_path / "embeddings.safetensors", tmp_path / "scores" / "sysu_all_single.json"
    run_embed_images(
        step("embed_images", variant="csdn", **CHOICE), made / "index.parquet", made / "cache.npy", encoder, embeddings
    )
    tensors = read_tensors(embeddings)
    index = pd.read_parquet(made / "index.parquet")
    np.testing.assert_array_equal(tensors["rows"], np.flatnonzero(index["subset_default"] == "test"))
    width = tensors["features"].shape[1] // 4
    np.testing.assert_allclose((tensors["features"] ** 2).sum(1), 4.0, rtol=1e-4)  # two unit parts, two mirror images
    assert width * 4 == tensors["features"].shape[1]
    choice = CHOICE | {"variant": "csdn", "protocol": "sysu_all_single"}
    run_score_retrieval(step("score_retrieval", **choice), made / "index.parquet", embeddings, output, None)
    score = json.loads(output.read_text())
    assert {"dataset", "variant", "seed", "split", "protocol", "gallery", "trials", "metrics", "std"} <= set(score)
    assert score["queries"] == 5 * 2 * 4
    assert 0 < score["metrics"]["map"] <= 1
    queries = pd.read_parquet(output.with_suffix(".parquet"))
    per_trial = queries.groupby("trial")["average_precision"].mean()
    assert score["metrics"]["map"] == pytest.approx(per_trial.mean(), abs=1e-9)
    assert (output.parent / "sysu_all_single.json.provenance.json").exists()

    reranked = output.with_name("sysu_all_single-reranked.json")
    again = step("score_retrieval", **choice)
    again = again.model_copy(update={"reranking": Reranking(k1=4, k2=2)})
    run_score_retrieval(again, made / "index.parquet", embeddings, reranked, None)
    other = json.loads(reranked.read_text())
    assert (other["reranked"], score["reranked"], other["protocol"]) == (True, False, score["protocol"])
    assert other["metrics"] != score["metrics"]


def explain(made, folder, variant):
    encoder, output = train(made, folder, variant), folder / "explanations.safetensors"
    semantics = folder / "semantics.safetensors" if variant == "csdn" else None
    inputs = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors", encoder, semantics)
    run_explain_model(step("explain_model", variant=variant, **CHOICE), *inputs, output)
    return read_tensors(output)


def test_an_encoder_is_compared_with_its_start(made, tmp_path):
    found = explain(made, tmp_path, "csdn")
    index = pd.read_parquet(made / "index.parquet")
    people, modality = index["person_id"].to_numpy(), index["modality"].to_numpy()
    assert set(index["subset_default"].to_numpy()[found["rows"]]) == {"test"}
    assert found["features_before"].shape == found["features_after"].shape
    assert not np.allclose(found["features_before"], found["features_after"])
    visible, infrared = found["pair_rows"]
    np.testing.assert_array_equal(people[visible], people[infrared])
    assert set(modality[visible]) | set(modality[infrared]) == {"visible", "infrared"}
    assert found["grad_cam"].shape == found["attention_after"].shape == (2, 4, 4, 2)
    assert set(index["subset_default"].to_numpy()[found["described_rows"]]) == {"train"}
    assert len(found["own_after"]) == len(found["hardest_before"]) == len(found["described_rows"])
    assert (tmp_path / "explanations.safetensors.provenance.json").exists()
    again = explain(made, tmp_path / "again", "csdn")
    assert all(np.array_equal(again[name], found[name]) for name in found)


def test_what_was_not_trained_equals_its_start_and_has_no_description(made, tmp_path):
    found = explain(made, tmp_path, "init")
    np.testing.assert_allclose(found["features_before"], found["features_after"], atol=1e-6)
    np.testing.assert_allclose(found["attention_before"], found["attention_after"], atol=1e-6)
    assert "described_rows" not in found


def test_no_epochs_keep_clips_weights(made, tmp_path):
    encoder = read_tensors(train(made, tmp_path, "init"))
    clip = read_tensors(made / "clip.safetensors")
    np.testing.assert_array_equal(encoder["backbone.visible_stem.conv1.weight"], clip["visual.conv1.weight"])
    np.testing.assert_array_equal(encoder["backbone.infrared_stem.conv1.weight"], clip["visual.conv1.weight"])


def test_a_variant_with_descriptions_needs_them(made, tmp_path):
    with pytest.raises(UserError, match="--semantics: missing"):
        run_train_encoder(
            step("train_encoder", variant="csdn", **CHOICE),
            made / "index.parquet",
            made / "cache.npy",
            made / "clip.safetensors",
            None,
            tmp_path / "encoder.safetensors",
        )
    assert not list(tmp_path.iterdir())


def record(path, person, subset):
    return ImageRecord(path, person, 1, "visible", subset)


def test_the_index_holds_every_split_once():
    one = [record("a", 1, "train"), record("b", 2, "test")]
    two = [record("b", 2, "train"), record("c", 3, "test")]
    index = build_index({"1": one, "2": two})
    assert index["path"].tolist() == ["a", "b", "c"]
    assert index["subset_1"].tolist() == ["train", "test", ""]
    assert index["subset_2"].tolist() == ["", "train", "test"]


def test_held_out_identities_become_val_whole():
    records = [record(f"{person}_{n}", person, "train") for person in range(6) for n in range(2)]
    index = build_index({"default": records}, held_out_identities=2)
    assert index.groupby("person_id")["subset_default"].nunique().eq(1).all()
    assert (index["subset_default"] == "val").sum() == 4
    with pytest.raises(UserError, match="held_out_identities"):
        build_index({"default": records}, held_out_identities=6)
