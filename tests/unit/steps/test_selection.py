"""What of a study a job is for."""

from types import SimpleNamespace

import pytest

from csdn.errors import UserError
from csdn.steps.selection import SHARED, Selection
from helpers.default_settings import selected, text_of


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ({"dataset": "sysu"}, "--dataset sysu: unknown; did you mean `sysu_mm01`?"),
        ({"dataset": None}, "--dataset: missing; give one of sysu_mm01, regdb"),
        ({"split": "2"}, "--split 2: unknown; known: default"),
        ({"variant": "cdsn"}, "--variant cdsn: unknown; did you mean `csdn`?"),
        ({"seed": None}, "--seed: missing; give one"),
    ],
)
def test_a_wrong_selection_is_told(selection, message):
    with pytest.raises(UserError) as caught:
        text_of("train_encoder", **selection)
    assert str(caught.value) == message


def test_what_a_job_of_snakemake_is_for_is_in_its_wildcards():
    wildcards = SimpleNamespace(dataset="regdb", seed="7", ending="json")
    assert Selection.of(wildcards, protocol="p") == Selection(dataset="regdb", seed=7, protocol="p")
    assert Selection.of(SimpleNamespace()) == Selection()


def test_a_split_is_one_of_the_dataset_that_is_selected():
    assert selected(dataset="regdb", split="1").split == "1"
    with pytest.raises(UserError, match="--split default: unknown; known: 1"):
        _ = selected(dataset="regdb").split


def test_a_protocol_may_be_named_with_and_without_the_gallery_that_follows_from_the_dataset():
    official = "datasets.sysu_mm01.gallery=official"
    assert selected(official, protocol="sysu_all_single").protocol == "sysu_all_single"
    assert selected(official, protocol="sysu_all_single-official").protocol == "sysu_all_single-official"
    with pytest.raises(UserError, match="--protocol sysu_all_single-official: unknown"):
        _ = selected(protocol="sysu_all_single-official").protocol


def test_the_small_clips_architecture_belongs_to_the_small_clip_alone():
    assert set(SHARED["clip"](selected())) == {"model", "weights", "mini", "image_size", "sha256"}
    assert set(SHARED["clip"](selected("clip.weights=mini"))) == {"model", "weights", "mini", "image_size"}
    real = SHARED["clip"](selected("variants.csdn.clip={model: RN50-quickgelu, weights: openai}"))
    assert real == {"model": "RN50-quickgelu", "weights": "openai"}
