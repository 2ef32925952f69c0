"""MATLAB files: their variables and nothing else, and one line for what cannot be read."""

import os
import signal

import numpy as np
import pytest
from scipy.io import savemat

from csdn.errors import UserError
from csdn.evaluation.matlab_files import read_matlab


def test_the_variables_of_a_file_are_read(tmp_path):
    savemat(tmp_path / "a.mat", {"f": np.eye(2), "name": "x"})
    found = read_matlab(tmp_path / "a.mat")
    assert set(found) == {"f", "name"}  # without the header's
    assert np.array_equal(found["f"], np.eye(2))


def test_what_is_no_such_file_is_told_with_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"a\.mat: no such file"):
        read_matlab(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\xff" * 40)
    with pytest.raises(UserError, match=r"a\.mat: cannot be read as a MATLAB file .*save it with -v7"):
        read_matlab(tmp_path / "a.mat")
    (tmp_path / "a.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(UserError, match=r"a\.mat: is a MATLAB 7\.3 file; save it with -v7"):
        read_matlab(tmp_path / "a.mat")


def test_a_file_that_crashes_its_reader_is_told_instead(tmp_path, monkeypatch):
    savemat(tmp_path / "a.mat", {"f": np.eye(2)})
    monkeypatch.setattr("scipy.io.loadmat", lambda path: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(UserError, match=r"a\.mat: is damaged, and reading it crashes"):
        read_matlab(tmp_path / "a.mat")
