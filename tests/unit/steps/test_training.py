"""What trainings depend on."""

import json

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
