from pathlib import Path
from types import SimpleNamespace

import pytest

from csdn.artifacts.files import SELECTED_ON_TEST, read_tensors, write_tensors
from csdn.artifacts.records import write_provenance
from csdn.jobs.data import run_index_images, run_make_dataset
from csdn.jobs.evaluation import run_embed_images
from csdn.jobs.pretraining import run_pretrain_clip
from csdn.jobs.training import run_train_encoder
from helpers.tiny_jobs import CHOICE, step


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, index and the small CLIP, made by the jobs themselves."""
    root = tmp_path_factory.mktemp("made")
    run_make_dataset(step("make_dataset", dataset="sysu_mm01"), root / "sysu" / "annotations.parquet", 1)
    run_make_dataset(step("make_dataset", dataset="pretraining"), root / "pre" / "annotations.parquet", 1)
    run_pretrain_clip(step("pretrain_clip"), root / "pre" / "annotations.parquet", root / "clip.safetensors")
    index_step = step("index_images", dataset="sysu_mm01")
    run_index_images(index_step, root / "sysu", root / "index.parquet", root / "cache.npy")
    return root


@pytest.fixture(scope="session")
def run(made: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Folders and files of a run of the variant that is not trained at all, which is enough to be used."""
    folder = tmp_path_factory.mktemp("run")
    encoder, embeddings = folder / "encoder.safetensors", folder / "embeddings.safetensors"
    index, cache = made / "index.parquet", made / "cache.npy"
    choice = CHOICE | {"variant": "init"}
    run_train_encoder(step("train_encoder", **choice), index, cache, made / "clip.safetensors", None, encoder)
    run_embed_images(step("embed_images", **choice), index, cache, encoder, embeddings)
    return SimpleNamespace(
        encoder=encoder, embeddings=embeddings, index=index, images=made / "sysu", step=step, choice=choice
    )


@pytest.fixture
def chosen_on_test(run: SimpleNamespace, tmp_path: Path) -> Path:
    """The same encoder, labelled as one whose epoch was selected on the test set."""
    path = tmp_path / "encoder.safetensors"
    write_tensors(path, read_tensors(run.encoder), SELECTED_ON_TEST)
    write_provenance(path, run.step("train_encoder", **run.choice).record(), {})
    return path
