from __future__ import annotations

import numpy as np
import pytest

from csdn.data.image_cache import to_records
from csdn.evaluation.scoring import score
from csdn.figures import selection
from csdn.figures.retrieval import first_trial
from helpers.figure_data import toy


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
