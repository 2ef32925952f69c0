"""Switches of the stages: every loss towards the descriptions, one modality's text only, gradient clipping."""

import copy

import numpy as np
import pytest
import torch

from csdn.config.encoder import Encoder, LossWeights
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.jobs.unpacking import encoder_arguments, stage_one_optimization
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import Features
from csdn.models.semantic_integration import build_fusion
from csdn.training import encoder_stage
from csdn.training.encoder_stage import (
    Descriptions,
    Validation,
    loss_terms,
    random_descriptions,
    semantic_term,
    train_encoder,
)
from csdn.training.fusion_stage import train_fusion
from csdn.training.optimizers import clip_gradients
from csdn.training.prompt_stage import StageOneImages, learn_prompts

CPU = torch.device("cpu")
SEMANTIC_LOSSES = ("cross_entropy", "supervised_contrastive", "cosine_regression", "mse_regression", "triplet_to_text")
SETTINGS = Encoder(
    epochs=1,
    identities=3,
    images=2,
    learning_rate=1e-3,
    schedule="cosine",
    warmup_epochs=0,
    semantic_logits="cosine",
)
LABELS = torch.arange(3).repeat_interleave(2)


def ignore(row):
    """An on_epoch that does nothing."""


def how(**changes):
    """Batching, loss and optimization of SETTINGS with some values changed and checked."""
    return encoder_arguments(Encoder.model_validate(SETTINGS.model_dump() | changes), Fidelity())


def loss_of(**changes):
    return how(**changes)[1]


def descriptions(seed=0):
    texts = torch.randn(6, 16, generator=torch.Generator().manual_seed(seed))
    return Descriptions(texts, texts)


def features(network):
    generator = torch.Generator().manual_seed(1)
    return Features(
        torch.rand(18, network.backbone.channels, generator=generator), torch.randn(18, 16, generator=generator)
    )


def trained(network, images, given, texts=None):
    own = copy.deepcopy(network)
    history = train_encoder(own, images, texts, *given, np.random.default_rng(5), CPU, ignore)
    return own.state_dict(), history


def equal(one, two):
    return one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize("kind", SEMANTIC_LOSSES)
def test_every_semantic_loss_trains(network, images, kind):
    weights = LossWeights(identity=0, modality_shared=0, triplet=0, semantic_visible=1, semantic_infrared=1)
    still = {"padding": 0, "erase": 0}
    given = how(semantic_loss=kind, epochs=4, learning_rate=3e-3, weights=weights, augmentation=still)
    _, history = trained(network, images, given, descriptions())
    for name in ("semantic_visible", "semantic_infrared"):
        assert history[-1][name] < history[0][name], name


def test_the_choices_of_semantic_losses_are_those_tested_and_differ(network):
    assert set(SEMANTIC_LOSSES) == set(Encoder.model_fields["semantic_loss"].annotation.__args__)
    projected, texts = features(network).projected[:6], descriptions().visible
    values = {semantic_term(projected, texts, LABELS, loss_of(semantic_loss=kind)).item() for kind in SEMANTIC_LOSSES}
    assert len(values) == len(SEMANTIC_LOSSES)


@pytest.mark.parametrize("kind", ["cross_entropy", "supervised_contrastive"])
def test_semantic_logits_and_scale_reach_the_losses_over_logits(network, kind):
    projected, texts = features(network).projected[:6], descriptions().visible
    values = {
        semantic_term(projected, texts, LABELS, loss_of(semantic_loss=kind, **changes)).item()
        for changes in ({}, {"semantic_scale": 8}, {"semantic_logits": "dot"})
    }
    assert len(values) == 3


def test_the_margin_reaches_the_triplet(network):
    projected, texts = features(network).projected[:6], descriptions().visible
    small, large = (
        semantic_term(projected, texts, LABELS, loss_of(semantic_loss="triplet_to_text", semantic_margin=margin))
        for margin in (0.0, 1.0)
    )
    assert large > small


@pytest.mark.parametrize("silent", ["semantic_visible", "semantic_infrared", "modality_shared", "triplet"])
def test_a_term_of_weight_zero_is_not_computed_and_changes_nothing_else(network, silent):
    weights = SETTINGS.weights.model_dump() | {silent: 0}
    whole = loss_terms(network, features(network), LABELS, descriptions(), loss_of())
    part = loss_terms(network, features(network), LABELS, descriptions(), loss_of(weights=weights))
    assert set(whole) - set(part) == {silent}
    assert all(torch.equal(part[name], whole[name]) for name in part)


def test_one_modalitys_text_only_costs_one_term(network, images, monkeypatch):
    """The other modality's loss is never called, and its descriptions have no influence."""
    calls = []
    original = semantic_term

    def counted(projected, texts, labels, loss):
        calls.append(texts)
        return original(projected, texts, labels, loss)

    monkeypatch.setattr(encoder_stage, "semantic_term", counted)
    given = how(weights=SETTINGS.weights.model_dump() | {"semantic_infrared": 0})
    one, other = descriptions(0), descriptions(1)
    state, history = trained(network, images, given, Descriptions(one.visible, one.infrared))
    assert all(texts is one.visible for texts in calls)
    assert len(calls) == history[-1]["step"]
    assert "semantic_infrared" not in history[-1]
    assert equal(state, trained(network, images, given, Descriptions(one.visible, other.infrared))[0])
    assert not equal(state, trained(network, images, given, Descriptions(other.visible, one.infrared))[0])


def test_descriptions_of_weight_zero_are_the_baseline(network, images):
    given = how(weights=SETTINGS.weights.model_dump() | {"semantic_visible": 0, "semantic_infrared": 0})
    assert equal(trained(network, images, given, descriptions())[0], trained(network, images, how())[0])


def test_gradients_are_scaled_to_the_largest_norm_only_when_longer():
    parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))]
    optimizer = torch.optim.SGD([{"params": [p]} for p in parameters], lr=1.0)
    for largest, norm in ((None, 5.0), (10.0, 5.0), (1.0, 1.0)):
        parameters[0].grad, parameters[1].grad = torch.tensor([3.0, 0.0, 0.0]), torch.tensor([0.0, 4.0])
        clip_gradients(optimizer, largest)
        joint = torch.cat([parameter.grad for parameter in parameters])
        assert joint.norm().item() == pytest.approx(norm, rel=1e-5)
        assert torch.allclose(joint / joint.norm(), torch.tensor([0.6, 0, 0, 0, 0.8]))


def test_clipping_reaches_every_stage(network, images, clip):
    """A bound that no gradient reaches changes no bit; a tiny one does. (Adam undoes the length, not its changes.)"""

    def encoder(largest):
        return trained(network, images, how(gradient_clip=largest), descriptions())[0]

    def stage_one():
        generator = torch.Generator().manual_seed(0)
        labels = np.repeat(np.arange(6), 4)
        return StageOneImages(*(part for _ in range(2) for part in (torch.randn(24, 16, generator=generator), labels)))

    def prompts(largest):
        generator = torch.Generator().manual_seed(0)
        make = dict(banks=2, identities=6, tokens=2, template="A {} person.", generator=generator)
        bank = PromptBank(TextTower(clip), **make)
        settings = stage_one_optimization(Prompts(epochs=2, batch=8, gradient_clip=largest))
        learn_prompts(bank, stage_one(), settings, np.random.default_rng(0), ignore)
        return bank.state_dict()

    def fusion(largest):
        torch.manual_seed(0)
        module = build_fusion("concat", 16, heads=1, dropout=0.0)
        texts = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
        settings = stage_one_optimization(Fusion(epochs=2, batch=8, gradient_clip=largest))
        train_fusion(module, texts[0], texts[1], stage_one(), settings, np.random.default_rng(0), ignore)
        return module.state_dict()

    for stage in (encoder, prompts, fusion):
        free = stage(None)
        assert equal(stage(1e9), free), stage
        assert not equal(stage(1e-9), free), stage


def test_random_descriptions_have_the_lengths_of_the_learned_ones():
    generator = torch.Generator().manual_seed(0)
    learned = Descriptions(*(torch.randn(50, 64, generator=generator) * scale for scale in (1, 3)))
    drawn = random_descriptions(learned, np.random.default_rng(0))
    for one, other in ((drawn.visible, learned.visible), (drawn.infrared, learned.infrared)):
        torch.testing.assert_close(one.norm(dim=1), other.norm(dim=1))
        assert one.dtype == other.dtype
        assert torch.cosine_similarity(one, other).abs().mean() < 0.2
    torch.testing.assert_close(torch.cosine_similarity(drawn.visible, drawn.infrared), torch.ones(50))
    again = random_descriptions(learned, np.random.default_rng(0))
    assert torch.equal(again.visible, drawn.visible)
    assert not torch.equal(random_descriptions(learned, np.random.default_rng(1)).visible, drawn.visible)


def test_the_epoch_best_on_test_is_kept(network, images):
    scores = iter([0.2, 0.9, 0.1])
    states = []

    def validate(net):
        states.append({name: value.clone() for name, value in net.state_dict().items()})
        return {"validation_map": len(states), "test_rank_1": next(scores)}

    own, validation = copy.deepcopy(network), Validation(validate, 1, "test_rank_1")
    train_encoder(own, images, None, *how(epochs=3), np.random.default_rng(0), CPU, ignore, validation)
    assert equal(own.state_dict(), states[1])
