"""What rendering and indexing depend on."""

import json

from helpers.default_settings import step_of, text_of


def test_the_small_clips_images_are_a_dataset_of_their_own():
    values = json.loads(text_of("make_dataset", dataset="pretraining"))
    assert values["layout"] is None
    assert set(values["benchmark"]) & {"sysu_mm01", "regdb", "llcm", "pretraining"} == {"pretraining"}


def test_an_embedded_set_depends_on_its_own_people_and_on_what_all_sets_share():
    values = json.loads(text_of("make_dataset", dataset="regdb", split="1"))["benchmark"]
    assert set(values) == {"seed", "image_size", "luminance_share", "noise", "occlusion", "night", "regdb"}


def test_how_duplicates_are_met_is_named_only_where_they_are_let_pass():
    assert "duplicates" not in json.loads(text_of("index_images"))
    assert json.loads(text_of("index_images", "datasets.sysu_mm01.duplicates=warn"))["duplicates"] == "warn"
    assert step_of("index_images").duplicates == "refuse"
