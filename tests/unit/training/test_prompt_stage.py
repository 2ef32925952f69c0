"""Stage 1a: descriptions learn their identities, and nothing else moves."""

import numpy as np
import pytest
import torch

from csdn.config.prompts import Prompts
from csdn.jobs.unpacking import stage_one_optimization
from csdn.models.prompts import PromptBank, TextTower
from csdn.training.prompt_stage import describe_by_captions, learn_prompts
from helpers.trainings import CPU, UNTIL_THEY_FIT, assert_untouched, ignore, state


def test_descriptions_come_to_fit_and_the_towers_stay_frozen(clip, bank, stage):
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    history = learn_prompts(bank, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)
    assert len(history) == UNTIL_THEY_FIT.epochs
    assert history[-1]["loss"] < history[0]["loss"] - 1
    assert history[-1]["accuracy_visible"] > 0.9
    assert history[-1]["accuracy_infrared"] > 0.9
    assert all(torch.equal(value, before[name]) for name, value in clip.state_dict().items())


def test_learning_is_repeatable(clip, stage):
    def run():
        make = dict(tokens=2, template="A {} person.", generator=torch.Generator().manual_seed(1))
        bank = PromptBank(TextTower(clip), banks=1, identities=6, **make)
        learn_prompts(bank, stage, stage_one_optimization(Prompts(epochs=2, batch=8)), np.random.default_rng(3), ignore)
        return bank.contexts

    assert torch.equal(run(), run())


def test_a_loss_that_is_not_finite_stops_the_stage(bank, stage):
    stage.visible[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"loss contrastive is nan at step \d+, learning rate 0.0\d+; lower"):
        learn_prompts(bank, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)


def test_captions_become_the_mean_of_their_text_features(clip):
    tower = TextTower(clip)
    before = state(tower)
    one, two = "a photo of a tall man wearing a red coat.", "a photo of a woman with a bag."
    texts = describe_by_captions(tower, [[one], [one, two]], CPU)
    single = describe_by_captions(tower, [[two]], CPU)[0]
    torch.testing.assert_close(texts[1], (texts[0] + single) / 2)
    assert_untouched(tower, before)
