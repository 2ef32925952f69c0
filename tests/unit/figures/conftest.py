"""Embedded images that selections and retrievals are tested on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csdn.artifacts.files import read_tensors
from helpers.result_tree import make_params, write_embeddings, write_images


@pytest.fixture
def embedded(tmp_path: Path):
    params = make_params(tmp_path)
    index = write_images(params, "sysu_mm01", identities=14, training=3)
    write_embeddings(tmp_path, index, "default", effect=-3.2, seed=0)
    tensors = read_tensors(tmp_path / "embeddings.safetensors")
    cache = np.arange(len(index))[:, None, None, None] * np.ones((1, 4, 2, 3), dtype=np.uint8)
    return index, tensors["rows"], tensors["features"], cache
