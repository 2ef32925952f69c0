"""What the small CLIP is shown: grey copies with their own captions, other exposures, and only words that it learns."""

import numpy as np
import pytest
import torch

from csdn.config.clip import ClipPretraining
from csdn.models.clip_backbone import create_clip
from csdn.training import clip_pretraining
from csdn.training.clip_pretraining import (
    Captioned,
    PretrainingOptimization,
    pretrain_clip,
    project_plain,
    vary_exposure,
    without_color,
    zero_shot_classes,
)

SIZES = {"layers": (1, 1, 1, 1), "width": 8, "head_width": 16, "embed_dim": 16, "text_width": 16, "text_layers": 1,
         "text_heads": 2, "context_length": 16}  # fmt: skip
SIZE = (32, 16)


def pixels(count):
    return np.random.default_rng(0).integers(0, 256, (count, *SIZE, 3), dtype=np.uint8)


def pretrained(monkeypatch, *, grey_share):
    """A tiny CLIP after three steps, and the captions that were drawn, as the words of their token ids."""
    drawn = []

    class Recorder(clip_pretraining.TextTower):
        def forward(self, embedded, end, length=None):
            drawn.append(embedded.shape[0])
            return super().forward(embedded, end, length)

    monkeypatch.setattr(clip_pretraining, "TextTower", Recorder)
    torch.manual_seed(0)
    model = create_clip(SIZES, SIZE)
    colored = Captioned([["a red hat", "a red cap"]] * 8, {"color": np.arange(8) % 2})
    grey = Captioned([["a hat", "a cap"]] * 8, {"color": np.full(8, -1)})
    settings = ClipPretraining(steps=3, batch=8, warmup_steps=1, grey_share=grey_share, precision="fp32")
    history = pretrain_clip(
        model, pixels(8), colored, grey, settings.part(PretrainingOptimization), np.random.default_rng(1),
        torch.device("cpu"), lambda row: None, position_std=1.5,
    )  # fmt: skip
    assert drawn == [8, 8, 8]
    return model, history


def test_grey_pictures_have_their_luminance_in_every_channel():
    images = pixels(4)
    chosen = np.array([True, False, False, True])
    changed = without_color(images, chosen)
    np.testing.assert_array_equal(changed[~chosen], images[~chosen])
    assert (changed[chosen] == changed[chosen][..., :1]).all()
    red, green, blue = (int(value) for value in images[0, 3, 5])
    assert changed[0, 3, 5, 0] == round(0.299 * red + 0.587 * green + 0.114 * blue)


def test_another_exposure_keeps_the_order_of_grey_levels():
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None, None], (5, 256, 1, 3))
    varied = vary_exposure(ramp, 0.3, np.random.default_rng(0))
    assert (np.diff(varied[:, :, 0, 0].astype(int), axis=1) >= 0).all()
    assert (varied[:, 0] == 0).all() and len(np.unique(varied[:, 128, 0, 0])) > 1
    np.testing.assert_array_equal(vary_exposure(ramp, 0.0, np.random.default_rng(0)), ramp)


@pytest.mark.parametrize(("grey_share", "names_colors"), [(0.0, True), (1.0, False)])
def test_the_colour_is_learned_from_coloured_pictures_only(monkeypatch, grey_share, names_colors):
    _, history = pretrained(monkeypatch, grey_share=grey_share)
    assert (history[-1]["attribute"] > 0) is names_colors


def test_words_that_no_caption_has_stay_unknown(monkeypatch):
    model, _ = pretrained(monkeypatch, grey_share=0.5)
    known = torch.isfinite(model.token_embedding.weight).all(1)
    tokens = clip_pretraining.tokenize([["a red hat", "a red cap", "a hat", "a cap"]], 16)
    assert known[tokens.unique()].all()
    assert int(known.sum()) == len(tokens.unique())


def test_the_class_with_the_nearest_sentences_is_chosen(monkeypatch):
    model, _ = pretrained(monkeypatch, grey_share=0.5)
    features = project_plain(model, pixels(8))
    assert torch.allclose(features.norm(dim=1), torch.ones(8))
    prompts = {"hat": ["a hat"], "cap": ["a cap"]}
    tower = clip_pretraining.TextTower(model)
    with torch.no_grad():
        texts = torch.cat([tower.encode_tokens(clip_pretraining.tokenize([p], 16)[0]) for p in prompts.values()])
    nearest = (features @ torch.nn.functional.normalize(texts, dim=1).T).argmax(1).numpy()
    np.testing.assert_array_equal(zero_shot_classes(model, features, prompts), np.array(["hat", "cap"])[nearest])
