"""Files are whole or absent, and errors name them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from csdn import artifacts
from csdn.errors import UserError


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "folder" / "a.json"
    artifacts.write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), artifacts.atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert artifacts.read_json(target) == {"old": 1}
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


def test_numbers_that_are_not_json_are_refused(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        artifacts.write_json(tmp_path / "a.json", {"map": float("nan")})
    assert not list(tmp_path.iterdir())


def test_tensors_keep_shape_type_and_values(tmp_path):
    tensors = {"scalar": torch.tensor(3), "matrix": torch.randn(2, 3).T, "array": np.arange(4)}
    artifacts.write_tensors(tmp_path / "a.safetensors", tensors)
    read = artifacts.read_tensors(tmp_path / "a.safetensors")
    for name, value in tensors.items():
        assert read[name].shape == tuple(value.shape)
        np.testing.assert_array_equal(read[name], np.asarray(value))


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in "ab":
        artifacts.write_tensors(tmp_path / name, {"x": np.ones(3), "y": np.zeros(2)})
    assert artifacts.sha256(tmp_path / "a") == artifacts.sha256(tmp_path / "b")


@pytest.mark.parametrize("read", [artifacts.read_tensors, artifacts.read_json, artifacts.read_parquet])
def test_missing_and_damaged_files_are_named(tmp_path, read):
    path = tmp_path / "file"
    with pytest.raises(UserError, match="no such file"):
        read(path)
    path.write_bytes(b"\x00damaged")
    with pytest.raises(UserError, match=r"file: cannot be read"):
        read(path)
    with pytest.raises(UserError):
        read(tmp_path)


def test_provenance_names_settings_inputs_and_versions(tmp_path):
    source = tmp_path / "in.csv"
    artifacts.write_csv(source, pd.DataFrame({"a": [1]}))
    artifacts.write_json(tmp_path / "out.json", {})
    artifacts.write_provenance(tmp_path / "out.json", {"step": "x", "seed": 3}, {"data": source})
    record = json.loads((tmp_path / "out.json.provenance.json").read_text())
    assert record["parameters"] == {"step": "x", "seed": 3}
    assert record["inputs"]["data"]["sha256"] == artifacts.sha256(source)
    assert record["outputs"] == {"out.json": artifacts.sha256(tmp_path / "out.json")}
    assert record["packages"]["torch"]


def test_canonical_json_ignores_the_order_of_keys():
    assert artifacts.canonical_json({"b": 1, "a": [1, 2]}) == artifacts.canonical_json({"a": [1, 2], "b": 1})
