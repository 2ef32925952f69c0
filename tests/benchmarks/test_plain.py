"""The plain steps of benchmarks/plain and ours train alike: what is compared for speed computes the same."""

import copy

import numpy as np
import pytest
import torch

from benchmarks.plain.augmentation import augment_batch
from benchmarks.plain.prompts import PlainPrompts, fusion_step, prompt_step
from benchmarks.plain.visual import embed, plain_network, plain_optimizer, visual_step
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.jobs.unpacking import encoder_arguments
from csdn.models.clip_backbone import build_tower, create_clip, normalize_images
from csdn.models.inference import embed_images
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import ReIDNetwork
from csdn.models.semantic_integration import build_fusion
from csdn.training.batches import Batch
from csdn.training.encoder_stage import Descriptions, build_optimizer, optimize
from csdn.training.prompt_stage import contrastive_step, describe_all
from helpers.tiny_clip import small_sizes

STEPS = 20
IDENTITIES = 6
TINY = small_sizes(text_layers=2, context_length=20)
CPU = torch.device("cpu")
PRECISIONS = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])


@pytest.fixture
def clip():
    torch.manual_seed(0)
    return create_clip(TINY, (32, 16)).eval().requires_grad_(False)


def stage_one(clip, dtype):
    """A bank, its plain twin, and batches of image features (2 N, embed) with labels (N,)."""
    generator = torch.Generator().manual_seed(0)
    make = dict(banks=2, identities=IDENTITIES, tokens=4, template="A photo of a {} person.", generator=generator)
    clip = clip.to(dtype)
    bank = PromptBank(TextTower(clip), **make).to(dtype)
    trained = copy.deepcopy(clip).requires_grad_(True)  # the authors' tower keeps its gradients
    plain = PlainPrompts(trained, bank.contexts.detach())
    batches = [
        (torch.randn(8, 16, generator=generator, dtype=dtype), torch.randint(0, IDENTITIES, (4,), generator=generator))
        for _ in range(STEPS)
    ]
    return bank, plain, batches


def taken(losses):
    return lambda terms: losses.append(next(iter(terms.values())))


@PRECISIONS
def test_prompts(clip, dtype, tolerance):
    bank, plain, batches = stage_one(clip, dtype)
    ours = torch.optim.Adam([bank.contexts], lr=1e-2)
    theirs = torch.optim.Adam([plain.contexts], lr=1e-2, foreach=False)
    losses = []
    for features, labels in batches:
        contrastive_step(features, bank.both(labels), labels.repeat(2), None, ours, taken(losses))
    expected = [prompt_step(plain, theirs, features, labels) for features, labels in batches]
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    assert plain.clip.transformer.resblocks[0].mlp.c_fc.weight.grad is not None


@PRECISIONS
@pytest.mark.parametrize("kind", ["reference", "attention"])
def test_fusion(clip, dtype, tolerance, kind):
    bank, plain, batches = stage_one(clip, dtype)
    torch.manual_seed(1)
    fusion = build_fusion(kind, 16, heads=4, dropout=0.0).to(dtype)
    twin = copy.deepcopy(fusion)
    visible, infrared = describe_all(bank)
    ours, theirs = (torch.optim.Adam(module.parameters(), lr=1e-2) for module in (fusion, twin))
    losses, expected = [], []
    for features, labels in batches:
        fused = fusion(visible[labels], infrared[labels])
        contrastive_step(features[:4], fused, labels, None, ours, taken(losses))
        expected.append(fusion_step(plain, twin, theirs, features[:4], labels))
    np.testing.assert_allclose(losses, expected, rtol=tolerance)


def visual(clip, dtype):
    tower = build_tower(clip)
    make = dict(identities=IDENTITIES, classifier_scale=None, descriptor="reference")
    network = ReIDNetwork(tower, **make, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_(True)
    return network.to(memory_format=torch.channels_last)


@PRECISIONS
def test_visual_steps(clip, dtype, tolerance):
    _, loss, optimization = encoder_arguments(Encoder(precision="fp32"), Fidelity())
    network = visual(clip, dtype)
    twin = plain_network(network)
    generator = torch.Generator().manual_seed(0)
    texts = torch.randn(IDENTITIES, 16, generator=generator, dtype=dtype)
    labels = torch.arange(3).repeat_interleave(2)
    batches = [
        Batch(*torch.randn(18, 3, 32, 16, generator=generator, dtype=dtype).split([12, 6]), labels)
        for _ in range(STEPS)
    ]
    ours = build_optimizer(network, optimization)
    theirs = plain_optimizer(build_optimizer(twin, optimization))
    losses, expected = [], []
    for group in (*ours.param_groups, *theirs.param_groups):
        group["lr"] = optimization.learning_rate * group["factor"]
    for batch in batches:
        values = {}
        optimize(network, batch, Descriptions(texts, texts), loss, optimization, ours, CPU, values.update)
        losses.append(values["loss"])
        expected.append(visual_step(twin, theirs, batch, texts, loss.weights))
    np.testing.assert_allclose(losses, expected, rtol=tolerance)


def test_augmentation():
    augmenter = encoder_arguments(Encoder(), Fidelity())[0].augmenter
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 48, 24, 3), dtype=np.uint8)
    draws = (augmenter.draw_visible, augmenter.draw_exchanged, augmenter.draw_infrared)
    views = [draws[number % 3](images.shape[1:], rng) for number in range(len(images))]
    out = np.empty(images.shape, dtype=np.float32)
    for image, view, target in zip(images, views, out, strict=True):
        augmenter.render(image, view, target)
    expected = augment_batch(images, views, augmenter).permute(0, 2, 3, 1)
    np.testing.assert_allclose(out, expected.numpy(), atol=2e-6)


@pytest.mark.parametrize("infrared", [False, True])
def test_embedding(clip, infrared):
    network = visual(clip, torch.float32)
    images = np.random.default_rng(0).integers(0, 256, (7, 32, 16, 3), dtype=np.uint8)
    expected = embed(plain_network(network), images, infrared, 3, normalize_images)
    kind = np.full(7, infrared)
    make = dict(batch=4, flip=True, normalization="clip", device=CPU)
    made = embed_images(network, images, np.arange(7), kind, **make)
    np.testing.assert_allclose(made, expected.numpy(), atol=3e-6)
