"""The small CLIP that was pre-trained can be used again as a file, and be packed as the one that is shipped."""

import shutil

import numpy as np
import pytest

from csdn.artifacts import shipped
from csdn.artifacts.files import read_tensors
from csdn.artifacts.records import record_of
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.jobs.pretraining import run_pack_clip
from csdn.jobs.training import run_learn_prompts, run_train_encoder
from csdn.models.small_clip import IDS, TABLE
from helpers.tiny_jobs import CHOICE, PARAMS, settings_of


def changed(**sections):
    values = PARAMS.model_dump()
    return Params.model_validate(values | {name: values[name] | section for name, section in sections.items()})


def test_a_file_of_the_small_clip_starts_the_same_network(made, tmp_path):
    index, cache, clip = made / "index.parquet", made / "cache.npy", made / "clip.safetensors"
    for name, params, given in (
        ("own", PARAMS, clip),
        ("file", changed(clip={"weights": str(clip)}), clip),
    ):
        settings = settings_of(params, "train_encoder", **CHOICE, variant="init")
        run_train_encoder(settings, index, cache, given, None, tmp_path / f"{name}.safetensors")
    own, file = (read_tensors(tmp_path / f"{name}.safetensors") for name in ("own", "file"))
    assert own.keys() == file.keys()
    assert all(np.array_equal(own[name], file[name]) for name in own)


def test_a_word_that_the_small_clip_never_saw_is_named(made, tmp_path):
    settings = settings_of(
        changed(prompts={"template": "A sculpture of a {} person."}), "learn_prompts", **CHOICE, variant="csdn"
    )
    output = tmp_path / "prompts.safetensors"
    given = (made / "index.parquet", made / "cache.npy", made / "clip.safetensors", output)
    with pytest.raises(UserError, match=r"^prompts\.template: the small CLIP has learned no word 'sculpture'"):
        run_learn_prompts(settings, *given)
    assert not output.exists()


def test_what_is_shipped_is_the_trained_clip_in_half_precision_with_its_recipe(made, tmp_path, monkeypatch):
    packed = tmp_path / "clip_mini.safetensors"
    run_pack_clip(made / "clip.safetensors", made / "pre" / "annotations.parquet", packed)
    trained, half = read_tensors(made / "clip.safetensors"), read_tensors(packed)
    assert half[TABLE].dtype == np.float16 and half[TABLE].shape[0] == len(half[IDS]) < 200
    np.testing.assert_array_equal(half[TABLE], trained[TABLE].astype(np.float16))
    record = record_of(packed)
    assert record["parameters"]["clip"]["pretraining"]["steps"] == 3
    assert record["parameters"]["benchmark"]["pretraining"]["identities"] == 40
    assert {"clip_mini.safetensors", "zero_shot.csv"} <= set(record["outputs"])
    monkeypatch.setattr(shipped, "SHIPPED_CLIP", packed)
    shipped.shipped_record.cache_clear()
    settings = settings_of(changed(clip={"weights": "shipped"}), "train_encoder", **CHOICE, variant="init")
    assert settings.clip.sha256 == shipped.shipped_digest()
    run_train_encoder(settings, made / "index.parquet", made / "cache.npy", None, None, tmp_path / "e.safetensors")
    shipped.shipped_record.cache_clear()
    start = read_tensors(tmp_path / "e.safetensors")
    bias = start["backbone.layers.3.0.bn1.bias"]
    np.testing.assert_array_equal(bias, half["visual.layer4.0.bn1.bias"].astype(np.float32))


def test_a_clip_that_was_changed_is_not_packed(made, tmp_path):
    for name in ("clip.safetensors", "clip.safetensors.provenance.json", "history.csv", "zero_shot.csv"):
        shutil.copy(made / name, tmp_path / name)
    content = bytearray((tmp_path / "clip.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "clip.safetensors").write_bytes(content)
    with pytest.raises(UserError, match="was changed after it was written"):
        run_pack_clip(tmp_path / "clip.safetensors", made / "pre" / "annotations.parquet", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_name_that_is_no_weights_of_the_small_clip_is_told(made, tmp_path):
    settings = settings_of(changed(clip={"weights": "openai"}), "train_encoder", **CHOICE, variant="init")
    with pytest.raises(UserError, match=r"^clip\.weights: 'openai' is not a file, nor a tag of mini"):
        run_train_encoder(settings, made / "index.parquet", made / "cache.npy", None, None, tmp_path / "e.safetensors")
