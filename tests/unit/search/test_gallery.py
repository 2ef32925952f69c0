"""Galleries: features read where they lie in the file, and files that do not belong together are told."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from csdn.artifacts.files import write_parquet, write_tensors
from csdn.errors import UserError
from csdn.search.gallery import READ_AT_ONCE, Gallery, fingerprint, from_embeddings, from_folder, map_features


@pytest.fixture
def index(tmp_path):
    rows = [(f"{m}/{p}.png", p, 1 + (m == "infrared"), m) for p in (7, 8) for m in ("visible", "infrared")]
    frame = pd.DataFrame(rows, columns=["path", "person_id", "camera_id", "modality"])
    write_parquet(tmp_path / "index.parquet", frame.assign(subset_default="test"))
    return tmp_path / "index.parquet"


@pytest.fixture
def embeddings(tmp_path):
    """Features of the index's images, last first."""
    rows = np.array([3, 2, 1, 0])
    write_tensors(tmp_path / "e.safetensors", {"features": np.eye(4, dtype=np.float32)[rows], "rows": rows})
    return tmp_path / "e.safetensors"


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_features_are_found_between_other_tensors(tmp_path, kind):
    features = np.random.default_rng(0).random((5, 3)).astype(kind)
    others = {"a": np.arange(7, dtype=np.int64), "z": np.ones(3, dtype=np.uint8)}
    write_tensors(tmp_path / "a.safetensors", others | {"features": features})
    mapped = map_features(tmp_path / "a.safetensors")
    assert isinstance(mapped, np.memmap) and mapped.dtype == kind
    np.testing.assert_array_equal(mapped, features)


@pytest.mark.parametrize("features", [np.ones(3), np.ones((2, 2), dtype=np.int64), np.ones((0, 4))])
def test_features_that_are_no_table_of_numbers_are_refused(tmp_path, features):
    write_tensors(tmp_path / "a.safetensors", {"features": features})
    with pytest.raises(UserError, match=r"a\.safetensors: `features` is .* expected numbers \(images, width\)"):
        map_features(tmp_path / "a.safetensors")


def test_the_index_names_each_embedded_image(embeddings, index, tmp_path):
    gallery = from_embeddings(embeddings, index, tmp_path, None)
    assert gallery.paths == ["infrared/8.png", "visible/8.png", "infrared/7.png", "visible/7.png"]
    assert gallery.known["person_id"] == [8, 8, 7, 7]
    assert from_embeddings(embeddings, None, None, None).paths == ["image 0", "image 1", "image 2", "image 3"]


def test_one_modality_is_searched_with_its_own_features(embeddings, index):
    gallery = from_embeddings(embeddings, index, None, "visible")
    assert gallery.paths == ["visible/8.png", "visible/7.png"]
    assert gallery.features.argmax(axis=1).tolist() == [2, 0]  # rows of the index
    assert gallery.known["modality"] == ["visible", "visible"]


def test_an_index_of_other_images_and_an_absent_modality_are_told(embeddings, index, tmp_path):
    write_parquet(tmp_path / "short.parquet", pd.read_parquet(index).iloc[:3])
    with pytest.raises(UserError, match=r"was made from another index than .*short\.parquet"):
        from_embeddings(embeddings, tmp_path / "short.parquet", None, None)
    write_parquet(tmp_path / "visible.parquet", pd.read_parquet(index).assign(modality="visible"))
    with pytest.raises(UserError, match="has no infrared image; choose the other modality"):
        from_embeddings(embeddings, tmp_path / "visible.parquet", None, "infrared")


def test_a_folder_is_embedded_in_portions_and_in_order(tmp_path):
    for number in range(READ_AT_ONCE + 1):
        (tmp_path / f"{number:04d}.JPG").touch()
    (tmp_path / "notes.txt").touch()
    asked = []

    def embed(paths, modality):
        asked.append(len(paths))
        return np.array([[int(Path(path).stem)] for path in paths], dtype=np.float32)

    gallery = from_folder(tmp_path, SimpleNamespace(embed=embed), "visible")
    assert asked == [READ_AT_ONCE, 1]
    assert gallery.features[:, 0].tolist() == list(range(READ_AT_ONCE + 1))
    assert gallery.paths[-1] == f"{READ_AT_ONCE:04d}.JPG"


def test_a_fingerprint_is_of_the_features_and_of_the_images_chosen(embeddings, index):
    both, visible = (from_embeddings(embeddings, index, None, only) for only in (None, "visible"))
    assert fingerprint(both, embeddings) != fingerprint(visible, embeddings)
    assert fingerprint(both, embeddings) == fingerprint(from_embeddings(embeddings, index, None, None), embeddings)
    embedded = [Gallery(np.full((1, 2), value, dtype=np.float32), ["a"], None, {}) for value in (0, 1)]
    assert fingerprint(embedded[0], None) != fingerprint(embedded[1], None)
