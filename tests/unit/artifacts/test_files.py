"""Files are whole or absent, and errors name them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from csdn.artifacts import digests
from csdn.artifacts import files as artifacts
from csdn.data.image_cache import write_pixels
from csdn.errors import UserError
from helpers.refusals import contents, small_files, unprivileged


def test_a_failure_leaves_the_old_file_and_no_rest(tmp_path):
    target = tmp_path / "folder" / "a.json"
    artifacts.write_json(target, {"old": 1})
    with pytest.raises(RuntimeError), artifacts.atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert artifacts.read_json(target) == {"old": 1}
    assert [path.name for path in target.parent.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: artifacts.write_text(path, "x" * 10_000),
        lambda path: artifacts.write_json(path, ["x" * 10_000]),
        lambda path: artifacts.write_csv(path, pd.DataFrame({"a": range(5000)})),
        lambda path: artifacts.write_parquet(path, pd.DataFrame({"a": np.random.default_rng(0).random(5000)})),
        lambda path: artifacts.write_tensors(path, {"a": np.zeros(5000)}),
        lambda path: write_pixels(path, (9, 64, 32, 3), np.zeros((9, 64, 32, 3), np.uint8), "abcdefghi"),
    ],
)
def test_a_full_disk_keeps_the_old_file_and_leaves_no_rest(tmp_path, write):
    target = tmp_path / "a"
    target.write_text("old")
    with small_files(4096), pytest.raises(UserError, match=r"a: cannot be written \(File too large\); .*run the step"):
        write(target)
    assert contents(tmp_path) == {b"a".hex(): b"old"}


def test_a_folder_that_may_not_be_written_is_told():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        inner = Path(folder) / "inner"
        inner.mkdir()
        with unprivileged(inner), pytest.raises(UserError, match=r"inner/a\.json: cannot be written \(Permission"):
            artifacts.write_json(inner / "a.json", {})
        (inner / "file").write_text("")
        with pytest.raises(UserError, match=r"a part of the path is a file"):
            artifacts.write_json(inner / "file" / "a.json", {})


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(tmp_path):
    with artifacts.atomic(tmp_path / "a.json") as temporary:
        own = temporary.name
        temporary.write_text("{}")
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead = own.replace(str(os.getpid()), process.stdout.strip())
    living = own.replace(str(os.getpid()), "1")
    for name in (dead, living, ".a.json.elsewhere.99.part"):
        (tmp_path / name).write_text("half")
    artifacts.write_json(tmp_path / "a.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", living, ".a.json.elsewhere.99.part"}


def test_an_error_of_another_file_is_left_alone(tmp_path):
    with pytest.raises(PermissionError), artifacts.atomic(tmp_path / "a"):
        raise PermissionError(13, "Permission denied", "/somewhere/else")
    with pytest.raises(UserError, match="another"), artifacts.atomic(tmp_path / "a"):
        raise UserError("another (os error 28)")


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
    assert digests.sha256(tmp_path / "a") == digests.sha256(tmp_path / "b")


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
