"""Stage 1: descriptions learn their identities, and nothing else moves."""

import numpy as np
import pytest
import torch

from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.jobs.unpacking import stage_one_optimization
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.semantic_integration import build_fusion
from csdn.training.fusion_stage import fuse_all, train_fusion
from csdn.training.prompt_stage import StageOneImages, describe_all, learn_prompts

IDENTITIES = 6


def ignore(row):
    """An on_epoch that does nothing."""


@pytest.fixture
def stage() -> StageOneImages:
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(2, IDENTITIES, 16, generator=generator)
    labels = np.repeat(np.arange(IDENTITIES), 4)
    noise = 0.1 * torch.randn(2, len(labels), 16, generator=generator)
    visible, infrared = centres[:, labels] + noise
    return StageOneImages(visible, labels, infrared, labels)


@pytest.fixture
def bank(clip) -> PromptBank:
    make = dict(tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
    return PromptBank(TextTower(clip), banks=2, identities=IDENTITIES, **make)


SETTINGS = stage_one_optimization(Prompts(epochs=100, batch=8, learning_rate=0.03, schedule="cosine"))


def test_descriptions_come_to_fit_and_the_towers_stay_frozen(clip, bank, stage):
    before = {name: value.clone() for name, value in clip.state_dict().items()}
    history = learn_prompts(bank, stage, SETTINGS, np.random.default_rng(0), ignore)
    assert len(history) == SETTINGS.epochs
    assert history[-1]["loss"] < history[0]["loss"] - 1
    assert history[-1]["accuracy_visible"] > 0.9
    assert history[-1]["accuracy_infrared"] > 0.9
    assert all(torch.equal(value, before[name]) for name, value in clip.state_dict().items())


def test_learning_is_repeatable(clip, stage):
    def run():
        make = dict(tokens=2, template="A {} person.", generator=torch.Generator().manual_seed(1))
        bank = PromptBank(TextTower(clip), banks=1, identities=IDENTITIES, **make)
        learn_prompts(bank, stage, stage_one_optimization(Prompts(epochs=2, batch=8)), np.random.default_rng(3), ignore)
        return bank.contexts

    assert torch.equal(run(), run())


def test_fusion_keeps_the_identity_and_trains_nothing_but_itself(bank, stage):
    learn_prompts(bank, stage, SETTINGS, np.random.default_rng(0), ignore)
    visible, infrared = describe_all(bank)
    torch.manual_seed(0)
    fusion = build_fusion("attention", 16, heads=4, dropout=0.1)
    settings = stage_one_optimization(Fusion(epochs=30, batch=16, learning_rate=0.01, schedule="cosine"))
    history = train_fusion(fusion, visible, infrared, stage, settings, np.random.default_rng(0), ignore)
    assert history[-1]["accuracy_visible"] > 0.8
    assert history[-1]["accuracy_infrared"] > 0.8
    assert fuse_all(fusion, visible, infrared).shape == visible.shape


def test_a_fusion_without_parameters_is_only_evaluated(stage):
    texts = torch.randn(IDENTITIES, 16)
    mean = build_fusion("mean", 16, heads=1, dropout=0.0)
    history = train_fusion(mean, texts, texts, stage, SETTINGS, np.random.default_rng(0), ignore)
    assert len(history) == 1
    assert set(history[0]) == {"epoch", "accuracy_visible", "accuracy_infrared"}


def test_a_loss_that_is_not_finite_stops_the_stage(bank, stage):
    stage.visible[0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match=r"loss contrastive is nan at step \d+, learning rate 0.0\d+; lower"):
        learn_prompts(bank, stage, SETTINGS, np.random.default_rng(0), ignore)
