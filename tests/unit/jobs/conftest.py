from pathlib import Path

import pytest

from csdn.jobs.data import run_make_dataset, run_pretrain_clip
from csdn.jobs.index import run_index_images
from unit.jobs.tiny import step


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
