"""Everything outside a stage's trained module stays as it is: parameters, buffers, and no gradient is allocated."""

import numpy as np
import pytest
import torch

from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.config.fusion import Fusion
from csdn.config.prompts import Prompts
from csdn.jobs.unpacking import encoder_arguments, stage_one_optimization
from csdn.models.clip_backbone import build_tower
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.semantic_integration import build_fusion
from csdn.training.encoder_stage import Descriptions, train_encoder
from csdn.training.fusion_stage import fuse_all, train_fusion
from csdn.training.prompt_stage import describe_all, describe_by_captions, learn_prompts
from csdn.training.stage_one_images import count_images, sampler_pass, shuffled_pass, stage_one_images

CPU = torch.device("cpu")
BY_DEFAULT = {"sampled": False, "training": False, "normalization": "clip"}


def ignore(row):
    """An on_epoch or progress that does nothing."""


def state(module):
    """Copies of all parameters and buffers, including those that are not saved."""
    return {name: value.clone() for name, value in [*module.named_parameters(), *module.named_buffers()]}


def assert_untouched(module, before):
    after = dict([*module.named_parameters(), *module.named_buffers()])
    assert after.keys() == before.keys()
    assert [name for name, value in before.items() if not torch.equal(value, after[name])] == []
    assert [name for name, parameter in module.named_parameters() if parameter.grad is not None] == []
    assert not any(parameter.requires_grad for parameter in module.parameters())


@pytest.fixture
def stage(clip, images):
    backbone = build_tower(clip)
    return stage_one_images(backbone, images, np.random.default_rng(0), CPU, ignore, **BY_DEFAULT)


@pytest.fixture
def bank(clip):
    make = dict(tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
    return PromptBank(TextTower(clip), banks=2, identities=6, **make)


def test_learning_prompts_changes_the_prompts_alone(clip, bank, stage):
    before, features, start = state(clip), stage.visible.clone(), state(bank)
    learn_prompts(bank, stage, stage_one_optimization(Prompts(epochs=1, batch=8)), np.random.default_rng(0), ignore)
    assert_untouched(clip, before)
    assert torch.equal(stage.visible, features)
    assert not stage.visible.requires_grad
    changed = [name for name, value in state(bank).items() if not torch.equal(value, start[name])]
    assert changed == ["contexts"]
    assert [name for name, _ in bank.named_parameters()] == ["contexts"]
    assert (bank.contexts != start["contexts"]).any(dim=-1).all(), "every token of every identity in both banks"


@pytest.mark.parametrize("kind", ["attention", "reference", "concat"])
def test_fusing_changes_the_fusion_alone(clip, bank, stage, kind):
    before, start = state(clip), state(bank)
    visible, infrared = describe_all(bank)
    texts = visible.clone(), infrared.clone()
    fusion = build_fusion(kind, 16, heads=4, dropout=0.1)
    own = state(fusion)
    settings = stage_one_optimization(Fusion(epochs=1, batch=8))
    train_fusion(fusion, visible, infrared, stage, settings, np.random.default_rng(0), ignore)
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


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("sampled", [False, True])
def test_embedding_for_stage_one_changes_no_statistics(clip, images, sampled, training):
    backbone = build_tower(clip)
    before = state(backbone)
    how = BY_DEFAULT | {"sampled": sampled, "training": training}
    seen = []
    made = stage_one_images(backbone, images, np.random.default_rng(0), CPU, seen.append, **how)
    assert_untouched(backbone, before)
    assert sum(seen) == count_images(images, sampled=sampled) == len(made.visible) + len(made.infrared)
    assert len(made.visible) == len(made.visible_labels)
    assert not made.visible.requires_grad


def test_by_default_every_image_is_embedded_once_in_evaluation_mode(clip, images, stage):
    """The draws of the sampler hold the same feature for the same image, but not each image once."""
    backbone = build_tower(clip)
    how = BY_DEFAULT | {"sampled": True}
    drawn = stage_one_images(backbone, images, np.random.default_rng(3), CPU, ignore, **how)
    passes = list(sampler_pass(images, np.random.default_rng(3)))
    for name, side in zip(("visible", "infrared"), zip(*passes, strict=True), strict=True):
        positions = np.concatenate(side)
        assert len(np.unique(positions)) < 24, "misses"
        np.testing.assert_array_equal(getattr(drawn, f"{name}_labels"), getattr(images, name).labels[positions])
        torch.testing.assert_close(getattr(drawn, name), getattr(stage, name)[positions])
    assert np.array_equal(stage.visible_labels, images.visible.labels)


def test_training_mode_normalises_with_each_batch_of_one_modality(clip, images, stage):
    backbone = build_tower(clip)
    how = BY_DEFAULT | {"training": True}
    made = stage_one_images(backbone, images, np.random.default_rng(3), CPU, ignore, **how)
    ((visible, infrared),) = shuffled_pass(images, np.random.default_rng(3))
    assert sorted(visible) == sorted(infrared) == list(range(24))
    assert not torch.allclose(made.visible, stage.visible[visible], atol=1e-3)
    again = stage_one_images(backbone, images, np.random.default_rng(3), CPU, ignore, **how)
    assert torch.equal(made.infrared, again.infrared)


def test_dropout_is_on_in_the_final_descriptions_only_where_it_is_asked_for():
    texts = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fusion = build_fusion("reference", 16, heads=1, dropout=0.5)
    sound = fuse_all(fusion, texts, texts)
    assert torch.equal(sound, fuse_all(fusion, texts, texts))
    assert not torch.equal(sound, fuse_all(fusion, texts, texts, dropout=True))


def test_captions_become_the_mean_of_their_text_features(clip):
    tower = TextTower(clip)
    before = state(tower)
    one, two = "a photo of a tall man wearing a red coat.", "a photo of a woman with a bag."
    texts = describe_by_captions(tower, [[one], [one, two]], CPU)
    single = describe_by_captions(tower, [[two]], CPU)[0]
    torch.testing.assert_close(texts[1], (texts[0] + single) / 2)
    assert_untouched(tower, before)
