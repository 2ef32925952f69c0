"""Everything outside a stage's trained module stays as it is: parameters, buffers, and no gradient is allocated."""

import numpy as np
import pytest
import torch

from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.jobs.unpacking import encoder_arguments, stage_one_optimization
from csdn.models.prompts import TextTower
from csdn.models.semantic_integration import build_fusion
from csdn.training.encoder_stage import Descriptions, train_encoder
from csdn.training.fusion_stage import train_fusion
from csdn.training.prompt_stage import describe_all, learn_prompts
from helpers.trainings import CPU, assert_untouched, ignore, state


def test_learning_prompts_changes_the_prompts_alone(clip, bank, embedded):
    before, features, start = state(clip), embedded.visible.clone(), state(bank)
    learn_prompts(bank, embedded, stage_one_optimization(Prompts(epochs=1, batch=8)), np.random.default_rng(0), ignore)
    assert_untouched(clip, before)
    assert torch.equal(embedded.visible, features)
    assert not embedded.visible.requires_grad
    changed = [name for name, value in state(bank).items() if not torch.equal(value, start[name])]
    assert changed == ["contexts"]
    assert [name for name, _ in bank.named_parameters()] == ["contexts"]
    assert (bank.contexts != start["contexts"]).any(dim=-1).all(), "every token of every identity in both banks"


@pytest.mark.parametrize("kind", ["attention", "reference", "concat"])
def test_fusing_changes_the_fusion_alone(clip, bank, embedded, kind):
    before, start = state(clip), state(bank)
    visible, infrared = describe_all(bank)
    texts = visible.clone(), infrared.clone()
    fusion = build_fusion(kind, 16, heads=4, dropout=0.1)
    own = state(fusion)
    settings = stage_one_optimization(Fusion(epochs=1, batch=8))
    train_fusion(fusion, visible, infrared, embedded, settings, np.random.default_rng(0), ignore)
    assert_untouched(clip, before)
    assert all(torch.equal(value, start[name]) for name, value in state(bank).items())
    assert bank.contexts.grad is None
    assert torch.equal(visible, texts[0])
    assert torch.equal(infrared, texts[1])
    assert any(not torch.equal(value, own[name]) for name, value in state(fusion).items())


def test_training_the_encoder_leaves_text_tower_and_descriptions(clip, network, images):
    tower = TextTower(clip)
    before = state(tower)
    texts = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    kept = texts.clone()
    how = encoder_arguments(Encoder(epochs=1, identities=3, images=2, warmup_epochs=0), Fidelity())
    train_encoder(network, images, Descriptions(texts, texts), *how, np.random.default_rng(0), CPU, ignore)
    assert_untouched(tower, before)
    assert torch.equal(texts, kept)
    assert texts.grad is None
    in_network = {id(parameter) for parameter in network.parameters()}
    assert not in_network & {id(parameter) for parameter in tower.parameters()}
