"""What trainings depend on."""

import json

import pytest

from csdn.errors import UserError
from helpers.default_settings import changed_by, step_of, text_of


def test_the_test_set_is_in_the_settings_of_training_only_where_it_chooses_the_epoch():
    assert "test_selection" not in json.loads(text_of("train_encoder"))
    chosen = json.loads(text_of("train_encoder", "encoder.selection=best_on_test"))
    assert chosen["test_selection"] == {"protocol": "sysu_all_single", "trials": 10}


def test_captions_do_not_depend_on_how_prompts_are_learned():
    caption = "prompts={kind: caption, epochs: %d, learning_rate: %g}"
    one, two = (text_of("learn_prompts", caption % values) for values in ((3, 0.1), (4, 0.2)))
    assert one == two


def test_an_untrained_fusion_does_not_depend_on_how_fusions_are_trained():
    assert "fuse_semantics" not in changed_by("fusion.epochs=9", variant="mspl")


def test_variants_that_learn_the_same_prompts_have_one_text():
    texts = {variant: text_of("learn_prompts", variant=variant) for variant in ("csdn", "mspl", "clip_vireid")}
    assert texts["csdn"] == texts["mspl"] != texts["clip_vireid"]
    assert "csdn" not in texts["csdn"]


def test_the_small_clip_is_pretrained_with_threads_of_its_own_whatever_variants_start_from():
    step = step_of("pretrain_clip", "runtime.pretraining_threads=3", "runtime.threads=1")
    assert (step.runtime.threads, step.clip.model, step.clip.weights) == (3, "mini", "mini")
    assert step.key == "clip/mini"


def test_compiling_is_named_only_where_it_is_asked_for():
    assert "compile" not in json.loads(text_of("train_encoder"))["runtime"]
    assert step_of("train_encoder", "runtime.compile=true").runtime.compile
    assert "compile" not in json.loads(text_of("learn_prompts", "runtime.compile=true"))["runtime"]


OWN = ("datasets.sysu_mm01.splits=[1, 2]", "datasets.regdb=null", "clip={weights: mini}")
ONE_PER_DRAW = (*OWN, "clip.pretraining.one_per_draw=true")


def test_the_small_clip_of_a_draw_has_a_key_of_its_own_and_is_named_where_a_network_starts_from_it():
    step = step_of("pretrain_clip", *ONE_PER_DRAW, split="2")
    assert (step.split, step.key) == ("2", "clip/draw_2")
    shared, own = (json.loads(text_of("train_encoder", *how, split="2")) for how in (OWN, ONE_PER_DRAW))
    assert own["clip"] == shared["clip"] | {"draw": "2"}
    assert own | {"clip": shared["clip"]} == shared
    assert json.loads(text_of("make_dataset", *ONE_PER_DRAW, dataset="pretraining", split="2"))["split"] == "2"


@pytest.mark.parametrize("step", ["pretrain_clip", "train_encoder", "make_dataset", "draw_figures"])
def test_one_small_clip_of_all_draws_is_not_named_in_any_text(step):
    """So that results from before there was another way stay."""
    assert all(f'"{name}"' not in text_of(step, *OWN, split="2") for name in ("one_per_draw", "draw"))
    assert "split" not in step_of("pretrain_clip", *OWN, split="2").record()
    assert "draw" not in step_of("train_encoder", *OWN, split="2").record()["clip"]


def test_a_further_draw_changes_no_other_draws_small_clip():
    further = ("datasets.sysu_mm01.splits=[1, 2, 3]", *ONE_PER_DRAW[1:])
    assert text_of("pretrain_clip", *ONE_PER_DRAW, split="2") == text_of("pretrain_clip", *further, split="2")


@pytest.mark.parametrize(
    ("split", "words"), [(None, "--split: missing; give one of 1, 2"), ("3", "--split 3: unknown")]
)
@pytest.mark.parametrize("step", ["pretrain_clip", "make_dataset"])
def test_the_draw_of_a_small_clip_has_to_be_given_and_to_exist(step, split, words):
    with pytest.raises(UserError, match=words):
        text_of(step, *ONE_PER_DRAW, dataset="pretraining", split=split)
