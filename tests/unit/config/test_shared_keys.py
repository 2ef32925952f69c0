"""Keys name what variants share."""

import pytest

from csdn.config import shared_keys
from helpers.default_settings import params


def test_the_keys_of_the_variants():
    p = params()
    assert {v: (shared_keys.prompt_key(p, v), shared_keys.semantics_key(p, v)) for v in p.variants} == {
        "clip_init": ("specific", None),
        "baseline": ("specific", None),
        "centroid": ("centroid", "centroid-mean"),
        "csdn": ("specific", "specific-reference"),
        "captions": ("caption", "caption-mean"),
        "baseline_tuned": ("specific", None),
        "centroid_tuned": ("centroid", "centroid-mean"),
        "csdn_tuned": ("specific", "specific-reference"),
        "captions_tuned": ("caption", "caption-mean"),
        "clip_vireid": ("shared", "shared-none"),
        "mspl": ("specific", "specific-none"),
        "permuted_text": ("specific", "specific-reference"),
    }


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("prompts={tokens: 8}", "specific-tokens_8-reference"),
        ("fusion={kind: concat, learning_rate: 1.0e-4}", "specific-concat-learning_rate_0.0001"),
        ("fusion={kind: mean, heads: 2}", "specific-mean"),
        ("clip={weights: random}", "specific-clip_weights_random-reference"),
        ("fidelity={normalization: imagenet}", "specific-normalization_imagenet-reference"),
        ("fidelity={decay_everything: true}", "specific-reference"),
        ("fusion={kind: attention}", "specific-attention"),
        ("fidelity={fusion_mode: training}", "specific-reference-fusion_mode_training"),
        ("fusion.kind=mean", "specific-mean"),
        (
            "fidelity=reference",
            "specific-stage_one_pairs_fixed-normalization_imagenet-stage_one_images_sampler-stem_reference-reference-fusion_mode_training",
        ),
        ("prompts={kind: caption, tokens: 9}", "caption-reference"),
        ("prompts={kind: centroid, tokens: 9}", "centroid-reference"),
        ("prompts={positives: own_modality}", "specific-positives_own_modality-reference"),
        ("prompts={positives: both}", "specific-reference"),
        ("encoder={text: random}", "specific-reference"),
        ("encoder={weights: {semantic_visible: 0, semantic_infrared: 0}}", None),
        ("encoder={weights: {semantic_visible: 0}}", "specific-reference"),
        ("encoder={epochs: 0}", None),
    ],
)
def test_keys_spell_what_a_variant_changes(override, key):
    assert shared_keys.semantics_key(params(f"variants.csdn.{override}"), "csdn") == key


def test_what_a_file_name_cannot_spell_gets_a_digest():
    keys = {
        shared_keys.prompt_key(params(f"variants.csdn.prompts.template={template}"), "csdn")
        for template in ("A photo of a {} man.", "A photo of a {} man!", "a photo of a {} man.")
    }
    assert len(keys) == 3
    assert all(len(key) < 60 and set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-") for key in keys)
