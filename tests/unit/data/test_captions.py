"""Captions reach the identity and modality of the image that they were written for."""

import numpy as np
import pandas as pd
import pytest

from csdn.artifacts.files import write_parquet
from csdn.data.captions import training_captions
from csdn.data.image_cache import ModalityImages, TrainingImages
from csdn.errors import UserError

INDEX = pd.DataFrame({"path": ["test", "a", "b", "c", "d", "e"]})
NOWHERE = np.empty(0)
IMAGES = TrainingImages(
    ModalityImages(NOWHERE, np.array([1, 2, 4]), np.array([0, 0, 1])),
    ModalityImages(NOWHERE, np.array([5, 3]), np.array([1, 0])),
    np.array([7, 12]),
)


@pytest.fixture
def captions(tmp_path):
    def of(texts):
        rows = [(path, f"caption {path}" if text is None else text) for path, text in texts.items()]
        write_parquet(tmp_path / "a.parquet", pd.DataFrame(rows, columns=["path", "caption"]))
        return training_captions(INDEX, IMAGES, tmp_path / "a.parquet")

    return of


def test_every_identity_has_the_captions_of_its_own_images(captions):
    assert captions(dict.fromkeys(["e", "d", "c", "b", "a", "test", "other"])) == {
        "visible": [["caption a", "caption b"], ["caption d"]],
        "infrared": [["caption c"], ["caption e"]],
    }


def test_one_caption_of_an_identity_is_enough_and_none_is_told(captions):
    assert captions(dict.fromkeys("bcde"))["visible"] == [["caption b"], ["caption d"]]
    with pytest.raises(UserError, match=r"a\.parquet: no infrared caption of person 12; render and index"):
        captions(dict.fromkeys("abcd"))


def test_a_table_without_captions_is_told(tmp_path):
    write_parquet(tmp_path / "a.parquet", INDEX)
    with pytest.raises(UserError, match=r"a\.parquet: has no columns path and caption"):
        training_captions(INDEX, IMAGES, tmp_path / "a.parquet")
