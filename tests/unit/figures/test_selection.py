from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from csdn.artifacts.files import read_tensors
from csdn.data.image_cache import to_records
from csdn.errors import UserError
from csdn.evaluation.scoring import score
from csdn.figures import selection
from csdn.figures.retrieval import Retrieval, first_trial
from helpers.result_tree import make_params, write_embeddings, write_images


@pytest.fixture
def embedded(tmp_path: Path):
    params = make_params(tmp_path)
    index = write_images(params, "sysu_mm01", identities=14, training=3)
    write_embeddings(tmp_path, index, "default", effect=-3.2, seed=0)
    tensors = read_tensors(tmp_path / "embeddings.safetensors")
    cache = np.arange(len(index))[:, None, None, None] * np.ones((1, 4, 2, 3), dtype=np.uint8)
    return index, tensors["rows"], tensors["features"], cache


def toy() -> Retrieval:
    similarity = np.array([[0.1, 0.9, 0.5, 0.5], [0.9, 0.1, 0.2, 0.3]], dtype=np.float32)
    ignored = np.array([[False, True, False, False], [False, False, False, False]])
    return Retrieval(np.array([0, 1]), np.array([2, 3, 4, 5]), similarity, ignored)


def test_order_leaves_out_ignored_and_keeps_ties_in_gallery_order():
    assert toy().order(0).tolist() == [4, 5, 2]
    assert toy().order(1).tolist() == [2, 5, 4, 3]


def test_first_match_counts_what_is_left():
    persons = np.array([7, 8, 7, 7, 9, 9])
    assert selection.first_matches(persons, toy()).tolist() == [3, 0]


@pytest.mark.parametrize("protocol", ["sysu_all_single", "sysu_all_multi", "sysu_indoor_single"])
def test_found_queries_are_those_that_the_scores_count(embedded, protocol: str):
    index, rows, features, _ = embedded
    everything = np.zeros((len(index), features.shape[1]), dtype=np.float32)
    everything[rows] = features
    summary, _ = score(to_records(index, "default"), everything, protocol, trials=1)
    first = selection.first_matches(
        index["person_id"].to_numpy(), first_trial(index, "default", protocol, rows, features)
    )
    assert 0 < (first == 1).mean() < 1
    assert (first == 1).mean() == pytest.approx(summary["metrics"]["rank_1"])


def test_rank_lists_show_both_kinds_of_query(embedded):
    index, rows, features, cache = embedded
    task = first_trial(index, "default", "sysu_all_single", rows, features)
    found, missed = selection.ranked(index, cache, task)
    assert all(one.labels[0][1] == one.person_id and one.first_match == 1 for one in found)
    assert all(one.labels[0][1] != one.person_id and one.first_match > 1 for one in missed)
    assert len({one.person_id for one in found}) == len(found) == selection.LISTS
    again = selection.ranked(index, cache, task)
    assert [one.person_id for one in again[0]] == [one.person_id for one in found]


def test_image_without_embedding_is_named(embedded):
    index, rows, features, _ = embedded
    with pytest.raises(UserError, match=r"embeddings: lack .*\.jpg"):
        first_trial(index, "default", "sysu_all_single", rows[:-1], features[:-1])


def test_portraits_are_test_identities_over_all_cameras(embedded):
    index, _, _, cache = embedded
    people = selection.portraits(index.assign(caption="a person"), cache, "default")
    assert len(people) == selection.PEOPLE
    for person in people:
        number = int(person.name.split()[1])
        assert set(index.loc[index["person_id"] == number, "subset_default"]) == {"test"}
        assert [camera for _, camera in person.visible] == [1, 2, 4, 5]
        assert [camera for _, camera in person.infrared] == [3, 3, 6, 6]
        assert person.captions == ["Visible: a person", "Infrared: a person"]


def test_portraits_without_captions(embedded):
    index, _, _, cache = embedded
    assert selection.portraits(index, cache, "default")[0].captions == []
