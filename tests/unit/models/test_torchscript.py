"""Tensors of a TorchScript archive are those that PyTorch finds in it, and nothing that the archive names is called."""

import os
import pickle
import zipfile

import pytest
import torch

from csdn.errors import UserError
from csdn.models.clip_weights import read_state
from csdn.models.torchscript import _rebuild, read_torchscript
from helpers.tiny_clip import random_state, register, write_archive


def test_the_tensors_are_those_of_the_module(tmp_path):
    register(tmp_path)
    write_archive(tmp_path / "archive.pt", random_state("tiny-resnet-quickgelu"))
    found, expected = read_torchscript(tmp_path / "archive.pt"), torch.jit.load(tmp_path / "archive.pt").state_dict()
    assert found.keys() >= expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        torch.testing.assert_close(found[name], value, rtol=0, atol=0)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_what_an_archive_names_is_not_called(tmp_path):
    with zipfile.ZipFile(tmp_path / "evil.pt", "w") as archive:
        archive.writestr("evil/constants.pkl", pickle.dumps(()))
        archive.writestr("evil/data.pkl", pickle.dumps(Attack(str(tmp_path / "made"))))
    with pytest.raises(UserError, match=r"evil\.pt: cannot be read as weights \(names posix\.mkdir"):
        read_state(tmp_path / "evil.pt")
    assert not (tmp_path / "made").exists()


def test_a_tensor_does_not_reach_beyond_what_is_stored():
    stored = torch.arange(4.0)
    assert _rebuild(stored, 1, (3,), (1,), False, None).tolist() == [1, 2, 3]
    with pytest.raises(RuntimeError, match="out of bounds"):
        _rebuild(stored, 1, (4,), (1,), False, None)
