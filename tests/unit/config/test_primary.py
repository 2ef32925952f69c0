"""The primary question names only what the study has."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from csdn.config.params import Params, merge

QUESTION = {"dataset": "d", "protocol": "sysu_all_single", "settings": {"A": [["two", "one"], ["three", "two"]]}}


def params(**primary) -> Params:
    values = {
        "datasets": {"d": {"layout": "sysu_mm01"}, "pairs": {"layout": "regdb", "splits": ["1"]}},
        "variants": {"one": {}, "two": {}, "three": {}},
        "tables": {"t": {"caption": "A table", "variants": ["one"]}},
        "primary": merge(QUESTION, primary),
    }
    return Params.model_validate(values)


def test_what_it_asks_about_runs_there_and_nowhere_else():
    asked = params()
    assert asked.variants_of("d") == ["one", "two", "three"]
    assert asked.variants_of("pairs") == ["one"]
    assert (asked.primary.metric, asked.primary.level) == ("map", 0.025)
    assert asked.primary.variants == ["two", "one", "three"]


def test_a_layer_removes_a_setting_or_the_question():
    assert list(params(settings={"A": None, "B": [["two", "one"]]}).primary.settings) == ["B"]
    assert Params.model_validate({"datasets": {"d": {"layout": "llcm"}}, "variants": {"one": {}}}).primary is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "dd"}, "primary.dataset: no dataset 'dd'; did you mean `d`?"),
        ({"dataset": "pairs", "protocol": "regdb_visible_to_infrared"}, "splits share their people and are no draws"),
        ({"protocol": "sysu_all_singl"}, "has no protocol 'sysu_all_singl'; did you mean `sysu_all_single`?"),
        ({"settings": {"A": [["two", "ones"]]}}, "primary.settings: no variant 'ones'; did you mean `one`?"),
        ({"settings": {"A": [["two", "one"], ["one", "two"]]}}, "primary.settings.A: compares a pair twice"),
        ({"settings": {"A": [["two", "two"]]}}, "or a variant with itself"),
        ({"settings": {"A": None}}, "at least 1 item"),
        ({"settings": {"A": []}}, "at least 1 item"),
        ({"level": 0.5}, "less than 0.5"),
        ({"metric": "rank_1"}, "'map'"),
    ],
)
def test_what_the_study_does_not_have_is_refused(change: dict, message: str):
    with pytest.raises(ValidationError) as error:
        params(**change)
    assert message in str(error.value)


def test_a_variant_that_does_not_run_on_the_dataset_is_no_fault_nor_a_protocol_by_which_it_is_not_scored():
    values = {
        "datasets": {"d": {"layout": "sysu_mm01", "variants": ["one", "two"]}},
        "variants": {"one": {}, "two": {}, "three": {}},
        "primary": QUESTION,
    }
    assert Params.model_validate(values).variants_of("d") == ["one", "two"]
    official = values | {"datasets": {"d": {"layout": "sysu_mm01", "gallery": "official"}}}
    assert next(iter(Params.model_validate(official).scores_of("d"))) == "sysu_all_single-official"
