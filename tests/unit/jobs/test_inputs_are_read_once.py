"""A job's way in: each input is read once to be identified, the index is parsed once and the pixels are opened once."""

import hashlib
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from csdn.data import image_cache
from csdn.jobs import pretraining
from csdn.jobs.evaluation import run_embed_images
from csdn.jobs.pretraining import run_pretrain_clip
from csdn.jobs.training import run_fuse_semantics, run_learn_prompts, run_train_encoder
from csdn.steps import input_checks
from helpers.tiny_jobs import CHOICE, step


@pytest.fixture
def read(monkeypatch):
    """How often each file was hashed, checked against its record, parsed as an index or opened as pixels."""
    count = Counter()

    def counted(what, function, name):
        def call(source, *arguments, **options):
            count[what, name(source)] += 1
            return function(source, *arguments, **options)

        return call

    def named(path):
        return path.name

    monkeypatch.setattr(hashlib, "file_digest", counted("hashed", hashlib.file_digest, lambda file: file.name))
    for module in (input_checks, image_cache):
        monkeypatch.setattr(module, "find_damage", counted("checked", module.find_damage, named))
    monkeypatch.setattr(image_cache, "read_parquet", counted("parsed", image_cache.read_parquet, named))
    monkeypatch.setattr(np, "load", counted("opened", np.load, named))
    return count


def test_every_training_reads_each_input_once(made, tmp_path, read):
    choice = CHOICE | {"variant": "csdn"}
    images, clip = (made / "index.parquet", made / "cache.npy"), made / "clip.safetensors"
    prompts, semantics, encoder, embeddings = (
        tmp_path / f"{name}.safetensors" for name in ("prompts", "semantics", "encoder", "embeddings")
    )
    jobs = [
        (lambda: run_learn_prompts(step("learn_prompts", **choice), *images, clip, prompts), [clip], prompts),
        (
            lambda: run_fuse_semantics(step("fuse_semantics", **choice), *images, clip, prompts, semantics),
            [clip, prompts],
            semantics,
        ),
        (
            lambda: run_train_encoder(step("train_encoder", **choice), *images, clip, semantics, encoder),
            [clip, semantics],
            encoder,
        ),
        (lambda: run_embed_images(step("embed_images", **choice), *images, encoder, embeddings), [encoder], embeddings),
    ]
    for run, inputs, output in jobs:
        read.clear()
        run()
        files = [*inputs, images[0], output]
        assert read == {
            **{("hashed", str(path)): 1 for path in files},
            **{(what, "cache.npy"): 1 for what in ("checked", "opened")},
            ("parsed", "index.parquet"): 1,
        }


def test_the_pretraining_reads_its_images_once(made, tmp_path, read, monkeypatch):
    table = pd.DataFrame({"modality": [], "attribute": [], "balanced_accuracy": []}, dtype=object)
    monkeypatch.setattr(pretraining, "zero_shot_table", lambda model, images, frame: table)  # takes long, reads nothing
    annotations, output = made / "pre" / "annotations.parquet", tmp_path / "clip.safetensors"
    run_pretrain_clip(step("pretrain_clip"), annotations, output)
    assert read == {
        **{("hashed", str(path)): 1 for path in (annotations, output)},
        **{(what, "images.npy"): 1 for what in ("checked", "opened")},
    }
