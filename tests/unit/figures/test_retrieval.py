"""Queries, gallery and ignored pairs of a protocol's first trial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from csdn.errors import UserError
from csdn.figures.retrieval import first_trial
from helpers.figure_data import toy

COLUMNS = ["path", "person_id", "camera_id", "modality"]


def test_order_leaves_out_ignored_and_keeps_ties_in_gallery_order():
    assert toy().order(0).tolist() == [4, 5, 2]
    assert toy().order(1).tolist() == [2, 5, 4, 3]


def test_image_without_embedding_is_named(embedded):
    index, rows, features, _ = embedded
    with pytest.raises(UserError, match=r"embeddings: lack .*\.jpg"):
        first_trial(index, "default", "sysu_all_single", rows[:-1], features[:-1])


def test_similarities_follow_the_images_and_not_the_order_in_which_they_were_embedded():
    people = {
        ("visible", 1): [1.0, 0.0],
        ("visible", 2): [0.0, 1.0],
        ("infrared", 1): [0.8, 0.6],
        ("infrared", 2): [0.6, 0.8],
    }
    index = pd.DataFrame([(f"{m}/{p}.bmp", p, 1 + (m == "infrared"), m) for m, p in people], columns=COLUMNS)
    index["subset_1"] = "test"
    rows = np.array([3, 1, 0, 2])
    features = np.array(list(people.values()), dtype=np.float32)[rows]
    task = first_trial(index, "1", "regdb_infrared_to_visible", rows, features)
    assert task.query.tolist() == [2, 3]
    assert task.gallery.tolist() == [0, 1]
    assert task.similarity == pytest.approx(np.array([[0.8, 0.6], [0.6, 0.8]]))
    assert not task.ignored.any()


def test_the_third_camera_does_not_answer_from_the_second_ones_place():
    """Cameras 2 and 3 of SYSU-MM01 stand in one room, so the protocol ignores such pairs, of any person."""
    rows = [("cam2/0001/0001.jpg", 1, 2, "visible"), ("cam1/0001/0001.jpg", 1, 1, "visible")]
    rows += [("cam3/0001/0001.jpg", 1, 3, "infrared"), ("cam6/0001/0001.jpg", 1, 6, "infrared")]
    index = pd.DataFrame(rows, columns=COLUMNS)
    index["subset_default"] = "test"
    task = first_trial(index, "default", "sysu_all_single", np.arange(4), np.eye(4, dtype=np.float32))
    ignored = {(int(q), int(g)) for q, g in zip(*np.nonzero(task.ignored), strict=True)}
    assert {(task.query[q], task.gallery[g]) for q, g in ignored} == {(2, 0)}
