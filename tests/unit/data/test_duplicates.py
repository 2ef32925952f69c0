"""Identical files: told where they would put test images into training, or one image under two names."""

import pandas as pd

from csdn.data.duplicates import across_identities, across_subsets, groups_of_equal


def index(**columns):
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"path": [f"{n}.jpg" for n in range(count)], "person_id": 1} | columns)


def test_groups_are_in_the_order_of_their_first_row():
    assert groups_of_equal(["b", "a", "x", "a", "b", "b"]) == [[0, 4, 5], [1, 3]]


def test_the_same_image_in_training_and_test_is_told_once_for_the_first_split_that_has_it():
    frame = index(subset_1=["train", "train", "train"], subset_2=["train", "test", "test"], subset_3=["test"] * 3)
    assert list(across_subsets(frame, ["a", "a", "b"], ["1", "2", "3"])) == [
        "1.jpg (test) and 0.jpg (train) are the same image; delete the one that is wrong (split 2)"
    ]


def test_an_image_that_no_subset_has_and_repetitions_within_one_do_no_harm():
    frame = index(subset_1=["train", "", "train", "test"])
    assert list(across_subsets(frame, ["a", "a", "a", "b"], ["1"])) == []


def test_one_image_of_two_persons_is_told_only_within_a_subset():
    digests = ["a", "a", "a"]
    same = index(person_id=[4, 4, 9], subset_1=["train"] * 3)
    assert list(across_identities(same, digests, ["1"])) == [
        "0.jpg (identity 4) and 2.jpg (identity 9) are the same image"
    ]
    assert (
        list(across_identities(index(person_id=[4, 4, 9], subset_1=["train", "train", "test"]), digests, ["1"])) == []
    )
    assert list(across_identities(index(person_id=[4, 4, 4], subset_1=["train"] * 3), digests, ["1"])) == []
