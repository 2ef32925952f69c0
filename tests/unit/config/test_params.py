"""The models of params.yaml: what they refuse, and what they answer."""

import pytest
from pydantic import ValidationError

from csdn.config.base import PROTOCOLS
from csdn.config.fidelity import FIDELITY_PRESETS, Fidelity
from csdn.config.params import Params, merge


def params(**sections):
    values = {
        "datasets": {"a": {"layout": "sysu_mm01"}, "b": {"layout": "regdb", "splits": [1, 2], "variants": ["two"]}},
        "variants": {"one": {}, "two": {"encoder": {"epochs": 3, "weights": {"triplet": 1}}}},
    }
    return Params.model_validate(merge(values, sections))


def test_a_variant_is_the_defaults_with_its_overrides():
    p = params(encoder={"epochs": 5, "images": 2})
    assert p.variant("one").encoder == p.encoder
    two = p.variant("two").encoder
    assert p.variant("two") is p.variant("two")  # validated once
    assert (two.epochs, two.images, two.weights.triplet, two.weights.identity) == (3, 2, 1.0, 1.0)


def test_what_runs_where():
    p = params(seeds=[3, 4], datasets={"b": {"seeds": [7]}}, evaluation={"protocols": ["sysu_all_multi"]})
    assert (p.variants_of("a"), p.variants_of("b")) == (["one", "two"], ["two"])
    assert (p.seeds_of("a"), p.seeds_of("b")) == ([3, 4], [7])
    assert (p.protocols_of("a"), p.protocols_of("b")) == (["sysu_all_multi"], [])
    assert params().protocols_of("b") == list(PROTOCOLS["regdb"])


def test_scores_of_the_official_gallery_and_of_reranking_have_names_of_their_own():
    plain = params(evaluation={"protocols": ["sysu_all_single", "regdb_visible_to_infrared"]})
    assert list(plain.scores_of("a")) == ["sysu_all_single"]
    both = params(
        datasets={"a": {"gallery": "official"}, "b": {"gallery": "official"}},
        evaluation={"protocols": ["sysu_all_single", "regdb_visible_to_infrared"], "reranking": {}},
    )
    assert both.scores_of("a") == {
        "sysu_all_single-official": ("sysu_all_single", False),
        "sysu_all_single-official-reranked": ("sysu_all_single", True),
    }
    assert list(both.scores_of("b")) == ["regdb_visible_to_infrared", "regdb_visible_to_infrared-reranked"]


def test_nothing_changes_after_validation():
    p = params()
    with pytest.raises(ValidationError):
        p.encoder.epochs = 3


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"datasets": {"b": {"splits": [1, 1]}}}, "lists one of"),
        (
            {"datasets": {"a": {"splits": ["0"]}}},
            r"splits \['0'\] do not exist in layout sysu_mm01; known: default, or",
        ),
        ({"datasets": {"a": {"splits": ["01", "1"]}}}, r"splits \['01'\] do not exist"),  # a draw has one spelling
        ({"datasets": {"a": {"splits": ["default", "1"]}}}, "list draws, or default alone"),
        ({"datasets": {"a": {"splits": [1], "root": "/x"}}}, r"only embedded datasets have; set splits to \[default\]"),
        ({"datasets": {"a-draw_1": {"layout": "sysu_mm01"}}}, "pattern"),  # would have the paths of a draw of `a`
        ({"datasets": {"a": {"train_subsets": ["val"]}}}, "must include `train`"),
        ({"datasets": {"a": {"seeds": [0, 0]}}}, "lists one of"),
        ({"datasets": {"A b": {"layout": "regdb"}}}, "pattern"),
        ({"prompts": {"template": "A photo."}}, "exactly once"),
        ({"clip": {"model": "RN50"}}, "goes with model: mini only"),
        ({"evaluation": {"protocols": ["sysu"]}}, "unknown protocol 'sysu'"),
        ({"benchmark": {"regdb": {"train": 3, "test": 4, "train_images": 1, "test_images": 1}}}, "must be equal"),
        ({"encoder": {"learning_rate": float("nan")}}, "learning_rate"),
        ({"variants": {"two": {"tracking": {}}}}, "variants.two.tracking: unknown key"),
        ({"encoder": {"selection": "best_on_test"}}, "set validate_every to 1 or more"),
        ({"encoder": {"gradient_clip": 0}}, "gradient_clip"),
        ({"fidelity": "refrence"}, "must be reference, or a mapping of switches, not 'refrence'"),
        ({"variants": {"two": {"fidelity": "odd"}}}, "variants.two.fidelity: must be reference, or a mapping"),
    ],
)
def test_what_cannot_be_meant_is_refused(sections, message):
    with pytest.raises(ValidationError, match=message):
        params(**sections)


def test_merge_lays_one_mapping_over_another():
    assert merge({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 3}, "d": [2]}) == {"a": {"b": 3, "c": 2}, "d": [2]}


def test_the_preset_turns_every_switch_on():
    default, reference = Fidelity().model_dump(), params(fidelity="reference").fidelity.model_dump()
    assert [name for name in default if default[name] == reference[name]] == []
    assert reference == FIDELITY_PRESETS["reference"]


def test_a_variant_may_be_the_preset_and_change_one_switch_of_it():
    p = params(variants={"one": {"fidelity": "reference"}})
    assert p.variant("one").fidelity == Fidelity.model_validate("reference")
    assert p.variant("two").fidelity == Fidelity()
    sound_stem = params(fidelity="reference", variants={"one": {"fidelity": {"stem": "clip"}}}).variant("one").fidelity
    assert (sound_stem.stem, sound_stem.decay_everything) == ("clip", True)


def test_a_switch_laid_over_the_preset_keeps_the_rest_of_it():
    layered = merge(merge({"fidelity": {"stem": "clip"}}, {"fidelity": "reference"}), {"fidelity": {"stem": "clip"}})
    assert layered["fidelity"] == FIDELITY_PRESETS["reference"] | {"stem": "clip"}
    assert merge({"fidelity": "reference"}, {"fidelity": "reference"}) == {"fidelity": "reference"}


def test_captions_are_the_embedded_benchmarks():
    oracle = {"prompts": {"kind": "caption"}}
    assert params(variants={"one": oracle}).variant("one").takes_captions
    real = {"b": {"root": "/data/RegDB", "variants": None}}
    with pytest.raises(ValidationError) as caught:
        params(variants={"one": oracle}, datasets=real)
    assert (
        "datasets.b.variants: one needs the captions of the embedded benchmark (prompts.kind: caption), but root is "
        "'/data/RegDB'; remove it here, or change its prompts.kind"
    ) in str(caught.value)
    without = oracle | {"encoder": {"text": "none"}}
    params(variants={"one": without}, datasets=real)
    params(variants={"one": oracle}, datasets={"b": {"root": "/data/RegDB", "variants": ["two"]}})


def test_a_shared_prompt_has_no_positives_of_its_own_modality():
    own = params(prompts={"positives": "own_modality"}, variants={"one": {"prompts": {"kind": "shared"}}})
    assert [own.variant(name).prompts.own_modality for name in ("one", "two")] == [False, True]
