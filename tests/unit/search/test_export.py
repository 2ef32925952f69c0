"""Exported programs: what is written in them, and when they are not written."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from csdn.errors import UserError
from csdn.search import export

SETTINGS = SimpleNamespace(dataset="regdb", split="3", variant="csdn", seed=5, image_size=(64, 32))


def about(tmp_path, *, selected_on_test):
    (tmp_path / "encoder.safetensors").write_bytes(b"abc")
    encoder = SimpleNamespace(settings=SETTINGS, width=48, selected_on_test=selected_on_test)
    return export.metadata(encoder, tmp_path / "encoder.safetensors")


def test_a_program_names_its_encoder_and_what_goes_in_and_comes_out(tmp_path):
    assert about(tmp_path, selected_on_test=False) == {
        "encoder_sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "dataset": "regdb",
        "split": "3",
        "variant": "csdn",
        "seed": "5",
        "input": "uint8 RGB (batch, 64, 32, 3)",
        "output": "float32 descriptors (batch, 48)",
    }


def test_one_of_an_encoder_that_the_test_set_chose_says_so(tmp_path):
    assert about(tmp_path, selected_on_test=True)["selected_on"] == "test"


@pytest.mark.parametrize(
    "found", [np.full((2, 3), 2 * export.PARITY), np.full((2, 3), np.nan), np.zeros((1, 3)), np.zeros((2, 4))]
)
def test_descriptors_that_differ_are_refused_also_if_they_are_not_numbers_or_of_another_shape(found):
    with pytest.raises(UserError, match=r"visible\.onnx: its descriptors differ"):
        export._checked(Path("visible.onnx"), "visible", found, np.zeros((2, 3)))


def test_rounding_is_accepted_and_told():
    found = np.zeros((2, 3))
    found[1, 2] = -export.PARITY / 2
    assert export._checked(Path("a"), "visible", found, np.zeros((2, 3))).difference == export.PARITY / 2
