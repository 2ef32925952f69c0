"""Settings that contradict each other: told with both keys, and only where they do."""

import pytest
from pydantic import ValidationError

from csdn.config.consistency import contradictions, training_identities
from csdn.config.params import Params, merge

EMBEDDED = {
    "datasets": {"a": {"layout": "sysu_mm01", "train_subsets": ["train"]}},
    "benchmark": {"sysu_mm01": {"train": 10, "val": 3, "test": 4, "train_images": 1, "test_images": 1}},
    "variants": {"csdn": {}},
}
VALIDATED = {"encoder": {"selection": "best_on_validation", "validate_every": 1}}
ATTENTION = {"fusion": {"kind": "attention", "heads": 3}}
ON_DISK = {"datasets": {"a": {"root": "/data"}}}


def told(*layers):
    """Nothing, or what the settings with these layers are refused for."""
    values = EMBEDDED
    for layer in layers:
        values = merge(values, layer)
    try:
        return contradictions(Params.model_validate(values))
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"]).splitlines()


def of_dataset(**values):
    return {"datasets": {"a": values}}


@pytest.mark.parametrize(
    ("changed", "identities"),
    [
        ({}, 10),
        ({"train_subsets": ["train", "val"]}, 13),
        ({"held_out_identities": 2}, 8),
        ({"root": "/data"}, None),
    ],
)
def test_training_identities_are_known_of_what_is_rendered(changed, identities):
    params = Params.model_validate(merge(EMBEDDED, of_dataset(**changed)))
    assert training_identities(params, "a") == identities


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ([{"encoder": {"identities": 11}}], "encoder.identities is 11, but there are only 10 training identities"),
        ([of_dataset(held_out_identities=10)], "datasets.a.held_out_identities: with 10, none of benchmark.sysu_mm01"),
        ([of_dataset(held_out_identities=1, train_subsets=["train", "val"])], "which train_subsets trains on"),
        ([VALIDATED, of_dataset(train_subsets=["train", "val"])], "needs identities that are not trained on"),
        ([VALIDATED, {"benchmark": {"sysu_mm01": {"val": 0}}}], "needs identities that are not trained on"),
        ([VALIDATED, of_dataset(layout="llcm", root="/data")], "and datasets.a.held_out_identities above 0"),
        (
            [{"clip": {"weights": "mini", "image_size": [128, 64]}}],
            "clip.image_size: is [128, 64], but the small CLIP is pre-trained",
        ),
        ([{"clip": {"image_size": [128, 64]}}], "clip.image_size: the small CLIP that comes with csdn has [64, 32]"),
        ([{"clip": {"mini": {"width": 16}}}], "clip.mini: the small CLIP that comes with csdn has {'layers'"),
        ([ATTENTION], "fusion.heads 3 does not divide clip.mini.embed_dim 128"),
        ([{"evaluation": {"protocols": ["regdb_infrared_to_visible"]}}], "do not belong to the layouts sysu_mm01"),
        ([{"datasets": {"tables": {"layout": "llcm"}}}], "datasets.tables: a results folder already has this name"),
    ],
)
def test_a_contradiction_is_one_line_with_the_keys_to_change(layers, line):
    (found,) = told(*layers)
    assert line in found


@pytest.mark.parametrize(
    "layers",
    [
        [],
        [{"encoder": {"identities": 10}}],
        [{"encoder": {"identities": 99}}, ON_DISK],  # the step that reads it will tell
        [{"encoder": {"identities": 99, "epochs": 0}}],
        [VALIDATED],
        [VALIDATED, of_dataset(layout="llcm", root="/data", held_out_identities=1)],
        [{"clip": {"weights": "mini", "image_size": [128, 64]}}, {"benchmark": {"image_size": [128, 64]}}],
        [{"clip": {"image_size": [128, 64], "model": "RN50", "weights": "openai"}}],
        [ATTENTION, {"encoder": {"text": "none"}}],
        [{"fusion": {"heads": 3, "kind": "mean"}}],
        [{"benchmark": {"image_size": [128, 64]}}],  # the shipped CLIP is adapted to any size
        [{"evaluation": {"protocols": ["regdb_infrared_to_visible", "sysu_all_single"]}}],
    ],
)
def test_what_does_not_matter_is_no_contradiction(layers):
    assert told(*layers) == []


ONE_PER_DRAW = {"clip": {"pretraining": {"one_per_draw": True}}}
PRETRAINED = {"clip": {"weights": "mini"}}


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        (
            [ONE_PER_DRAW, of_dataset(splits=["1"])],
            "clip.pretraining.one_per_draw: no variant starts from a pre-trained CLIP",
        ),
        ([ONE_PER_DRAW, PRETRAINED], "clip.pretraining.one_per_draw: no dataset that starts from a pre-trained CLIP"),
        ([ONE_PER_DRAW, PRETRAINED, of_dataset(splits=["1", "2"])], None),
    ],
)
def test_small_clips_of_draws_need_pretraining_and_draws(layers, line):
    lines = told({"encoder": {"identities": 4}}, *layers)
    assert len(lines) == (line is not None) and all(found.startswith(str(line)) for found in lines)
