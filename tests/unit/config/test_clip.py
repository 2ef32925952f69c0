"""The section clip."""

import pytest
from pydantic import ValidationError

from csdn.config.clip import Clip, MiniModel


@pytest.mark.parametrize(
    ("weights", "path"),
    [
        ("mini", None),
        ("random", None),
        ("openai", None),
        ("laion2b_s34b_b79k", None),
        ("RN50.pt", "RN50.pt"),
        ("models/x", "models/x"),
    ],
)
def test_weights_are_a_path_if_they_look_like_one(weights, path):
    assert Clip(model="mini" if weights == "mini" else "RN50", weights=weights).weights_path == path


def test_the_small_clips_weights_fit_no_other_model_but_others_may_start_at_random():
    for weights in ("mini", "shipped"):
        with pytest.raises(ValidationError, match=f"`{weights}` goes with model: mini only"):
            Clip(model="RN50", weights=weights)
    assert Clip(model="RN50", weights="random").weights_path is None


def test_heads_divide_widths_and_both_that_do_not_are_told():
    MiniModel(width=16, head_width=128, text_width=64, text_heads=4)  # 32 x 16 = 4 heads of 128
    with pytest.raises(ValidationError) as caught:
        MiniModel(width=16, head_width=96, text_width=64, text_heads=3)
    assert "text_heads: 3 does not divide text_width 64" in str(caught.value)
    assert "head_width: 96 does not divide 32 x width = 512" in str(caught.value)
