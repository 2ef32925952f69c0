"""Checkpoints: complete or absent, verified, only of the same training, and removed after success."""

import errno
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest

from csdn.training import checkpoint
from csdn.training.checkpoint import Checkpoint, Checkpoints, training_identity

IDENTITY = {"settings": {"epochs": 3}, "inputs": {"index": "abc"}, "code": "def"}


def state(step):
    tensors = {"weight": np.full((2, 3), step, np.float32), "count": np.array(step), "empty": np.empty(0, int)}
    return Checkpoint(tensors, {"step": step, "history": [{"loss": 0.1 + 0.2}], "state": {"key": 2**127 - 1}})


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "root" / "run", IDENTITY, 0)


def files(tmp_path):
    return sorted(tmp_path.rglob("*.safetensors"))


def test_what_is_saved_comes_back(checkpoints):
    assert not checkpoints.resumable
    checkpoints.save(state(7), 7)
    assert checkpoints.resumable
    found = checkpoints.load()
    assert found.values == state(7).values
    for name, array in state(7).tensors.items():
        np.testing.assert_array_equal(found.tensors[name], array)
        assert found.tensors[name].shape == array.shape
        assert found.tensors[name].dtype == array.dtype


def test_the_last_two_are_kept_and_nothing_else(checkpoints, tmp_path):
    for step in (8, 9, 10, 11):
        checkpoints.save(state(step), step)
    assert [path.name[:14] for path in files(tmp_path)] == ["step_000000010", "step_000000011"]
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".safetensors"}
    assert checkpoints.load().values["step"] == 11


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: b"", lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[:100]],
    ids=["cut", "empty", "flipped bit", "header cut"],
)
def test_a_damaged_one_falls_back_to_the_one_before(checkpoints, tmp_path, damage, caplog):
    for step in (1, 2):
        checkpoints.save(state(step), step)
    newest = files(tmp_path)[-1]
    newest.write_bytes(damage(newest.read_bytes()))
    assert checkpoints.load().values["step"] == 1
    assert f"{newest} is damaged and is ignored" in caplog.messages


def test_without_an_intact_checkpoint_training_starts_from_the_beginning_and_says_so(checkpoints, tmp_path, caplog):
    checkpoints.save(state(1), 1)
    files(tmp_path)[0].write_bytes(b"nothing")
    assert checkpoints.load() is None
    assert "is intact; starting from the beginning" in caplog.messages[-1]


@pytest.mark.parametrize("part", ["settings", "inputs", "code"])
def test_one_of_another_training_is_ignored_and_named(checkpoints, tmp_path, part, caplog):
    checkpoints.save(state(1), 1)
    other = Checkpoints(tmp_path / "root" / "run", IDENTITY | {part: "other"}, 0)
    assert not other.resumable
    assert other.load() is None
    assert re.fullmatch(
        rf"ignoring .*step_000000001.*, which has other {part}; starting from the beginning", caplog.messages[-1]
    )
    other.save(state(2), 2)
    assert checkpoints.load().values["step"] == 1  # back to the old settings: their checkpoint is still there


def test_what_a_training_depends_on(tmp_path, monkeypatch):
    before = training_identity({"seed": 0}, {"index": "one", "cache": "a"}, "cpu")
    assert before == training_identity({"seed": 0}, {"cache": "a", "index": "one"}, "cpu")
    after = training_identity({"seed": 0}, {"index": "two", "cache": "a"}, "cpu")
    assert [part for part in before if before[part] != after[part]] == ["inputs"]
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "loop.py").write_text("pass")
    monkeypatch.setattr(checkpoint.csdn, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(checkpoint, "CODE", ("training",))
    one = checkpoint._code_digest()
    (tmp_path / "training" / "loop.py").write_text("pass  # changed")
    assert checkpoint._code_digest() != one


def test_all_that_code_names_exists():
    root = checkpoint.Path(checkpoint.csdn.__file__).parent
    assert [name for name in checkpoint.CODE if not (root / name).exists()] == []


def test_one_kept_aside_is_never_continued_from(checkpoints):
    path = checkpoints.keep_aside(state(5), 5)
    assert path.exists()
    assert not checkpoints.resumable
    assert checkpoints.load() is None


def test_a_full_disk_does_not_stop_the_training(checkpoints, tmp_path, monkeypatch, caplog):
    checkpoints.save(state(1), 1)

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Path, "write_bytes", full)
        checkpoints.save(state(2), 2)
        assert checkpoints.keep_aside(state(2), 2) is None
    assert "checkpoint of step 2 not written" in caplog.text
    assert checkpoints.load().values["step"] == 1
    assert not list(tmp_path.rglob("*.part"))


def test_writing_takes_no_more_than_its_share(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    checkpoints = Checkpoints(tmp_path, IDENTITY, 60)
    assert checkpoints.due(epoch_ended=True)
    assert not checkpoints.due(epoch_ended=False)
    now[0] = 61.0
    assert checkpoints.due(epoch_ended=False)
    monkeypatch.setattr(checkpoints, "_write", lambda *args: now.__setitem__(0, now[0] + 2.0))  # takes two seconds
    checkpoints.save(state(1), 1)
    for waited, due in ((61.0, False), (199.0, False), (201.0, True)):
        now[0] = 63.0 + waited
        assert checkpoints.due(epoch_ended=True) is due
        assert checkpoints.due(epoch_ended=False) is due


def test_nothing_is_left_after_success_or_without_a_checkpoint(checkpoints, tmp_path):
    with checkpoints.locked():
        checkpoints.save(state(1), 1)
        checkpoints.keep_aside(state(1), 1)
        checkpoints.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), checkpoints.locked():
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), checkpoints.locked():
        checkpoints.save(state(1), 1)
        raise KeyError
    assert len(files(tmp_path)) == 1


def test_a_killed_writers_temporary_file_is_swept(checkpoints, tmp_path):
    checkpoints.save(state(1), 1)
    (files(tmp_path)[0].parent / ".step_000000002-ab.safetensors.999.part").write_bytes(b"half")
    with checkpoints.locked():
        assert not list(tmp_path.rglob("*.part"))


HOLDER = """
import sys, time
from pathlib import Path
from csdn.training.checkpoint import Checkpoints
checkpoints = Checkpoints(Path(sys.argv[1]), {}, 0)
with checkpoints.locked():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_two_processes_never_work_on_one_training(tmp_path, caplog, monkeypatch):
    folder = tmp_path / "root" / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "held\n"
    waiting = checkpoint.log.warning

    def let_go(*args):
        waiting(*args)
        holder.stdin.close()

    monkeypatch.setattr(checkpoint.log, "warning", let_go)
    with Checkpoints(folder, {}, 0).locked():
        assert holder.wait() == 0
        assert (folder / ".lock").read_text() == str(os.getpid())
    assert f"process {holder.pid} is working on this training" in caplog.text
    assert time.monotonic() > 0
