"""Names as a reader sees them, and orders that do not depend on how the settings are written."""

import pytest

from csdn.config.datasets import Dataset
from csdn.study import labels
from helpers.result_tree import make_params


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        ("sysu_all_single", "All search, single-shot"),
        ("sysu_all_single-official-reranked", "All search, single-shot, official gallery, re-ranked"),
        ("regdb_infrared_to_visible-selected_on_test", "Infrared to visible, selected on the test set"),
        ("their_own", "their own"),
    ],
)
def test_a_protocol_in_words(protocol, words):
    assert labels.protocol_label(protocol) == words


@pytest.mark.parametrize(
    ("name", "root", "words"),
    [
        ("regdb", "embedded", "Embedded benchmark, RegDB layout"),
        ("mine", "embedded", "Embedded benchmark, RegDB layout"),
        ("regdb", "/data", "RegDB"),
        ("cropped", "/data", "RegDB (cropped)"),
    ],
)
def test_what_is_rendered_is_never_called_by_a_real_datasets_name_alone(name, root, words):
    assert labels.dataset_label(name, Dataset(layout="regdb", root=root, splits=["1"])) == words


def test_datasets_are_in_the_order_of_papers_whatever_that_of_the_settings(tmp_path):
    datasets = {
        "a": {"layout": "llcm"},
        "b": {"layout": "regdb", "splits": [1]},
        "d": {"layout": "sysu_mm01"},
        "c": {"layout": "sysu_mm01"},
    }
    assert labels.in_report_order(make_params(tmp_path, datasets=datasets)) == ["d", "c", "b", "a"]


def test_variants_without_a_table_follow_those_of_tables(tmp_path):
    tables = {"z": {"caption": "", "variants": ["mspl", "csdn"]}, "a": {"caption": "", "variants": ["csdn"]}}
    params = make_params(tmp_path, tables=tables)
    assert labels.in_table_order(params, ["mspl", "clip_init", "csdn", "baseline"]) == [
        "csdn",
        "mspl",
        "baseline",
        "clip_init",
    ]


def test_variants_are_compared_if_the_test_set_chose_the_epochs_of_both_or_of_neither(tmp_path):
    chosen = {"encoder": {"selection": "best_on_test"}}
    params = make_params(
        tmp_path,
        variants={"a": {}, "b": {}, "c": chosen, "d": chosen},
        tables={},
        datasets={"sysu_mm01": {"layout": "sysu_mm01"}},
    )
    pairs = [(a, b) for a in "abcd" for b in "abcd" if a < b and labels.comparable(params, a, b)]
    assert pairs == [("a", "b"), ("c", "d")]
    assert labels.selection_note(params, "acd") == " Selected on the test set: c, d."
    assert labels.selection_note(params, "ab") == ""
