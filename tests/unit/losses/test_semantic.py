"""Losses between images and descriptions against their slow twins, and what each of them asks for."""

import math

import pytest
import torch

from csdn import losses
from reference import slow_semantic as slow

IDENTITIES, DIM = 7, 5


def example(seed: int, count: int = 9) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, descriptions of more identities than are in the batch, and the identities of the images."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, DIM, dtype=torch.float64, generator=generator)
    texts = torch.randn(IDENTITIES, DIM, dtype=torch.float64, generator=generator)
    return images, texts, torch.randint(0, IDENTITIES - 2, (count,), generator=generator)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [None, 14.0])
@pytest.mark.parametrize(
    ("fast", "twin"),
    [
        (losses.semantic_embedding_loss, slow.cross_entropy),
        (losses.semantic_contrastive_loss, slow.supervised_contrastive),
    ],
)
def test_losses_over_logits_are_their_slow_twins(fast, twin, scale, seed):
    images, texts, ids = example(seed)
    expected = twin(images.tolist(), texts.tolist(), ids.tolist(), scale)
    assert fast(images, texts, ids, scale=scale).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize("seed", range(3))
def test_regressions_and_triplet_are_their_slow_twins(seed, count):
    images, texts, ids = example(seed, count)
    lists = images.tolist(), texts.tolist(), ids.tolist()
    for fast, twin in (
        (losses.cosine_regression_loss, slow.cosine_regression),
        (losses.mse_regression_loss, slow.mse_regression),
    ):
        assert fast(images, texts, ids).item() == pytest.approx(twin(*lists), abs=1e-9)
    for margin in (0.0, 0.2, 1.0):
        expected = slow.text_triplet(*lists, margin)
        assert losses.text_triplet_loss(images, texts, ids, margin=margin).item() == pytest.approx(expected, abs=1e-9)


def test_ties_of_the_triplet_cost_the_margin():
    texts = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    ids = torch.tensor([0, 1])
    assert losses.text_triplet_loss(texts[:2], texts, ids, margin=0.3).item() == pytest.approx(0.3)


@pytest.mark.parametrize(
    "loss",
    [
        losses.semantic_embedding_loss,
        losses.semantic_contrastive_loss,
        losses.cosine_regression_loss,
        losses.mse_regression_loss,
        losses.text_triplet_loss,
    ],
)
def test_every_loss_pulls_images_to_their_own_descriptions(loss):
    """Following the gradient brings images closer to their own description, in angle; descriptions stay."""
    images, texts, ids = example(0)
    images.requires_grad_()
    before = torch.cosine_similarity(images, texts[ids]).mean().item()
    for _ in range(200):
        (gradient,) = torch.autograd.grad(loss(images, texts, ids), images)
        images = (images - 0.1 * gradient).detach().requires_grad_()
    after = torch.cosine_similarity(images, texts[ids]).mean().item()
    assert after > before + 0.2
    assert not texts.requires_grad


def test_losses_of_half_precision_are_computed_in_single():
    images, texts, ids = (value.bfloat16() if value.is_floating_point() else value for value in example(0))
    for loss in (losses.semantic_embedding_loss, losses.semantic_contrastive_loss, losses.cosine_regression_loss):
        assert loss(images, texts, ids).dtype == torch.float32


def test_semantic_loss_is_zero_only_when_images_pick_their_text():
    texts = torch.eye(4)
    right, wrong = torch.arange(4), torch.tensor([1, 2, 3, 0])
    assert losses.semantic_embedding_loss(texts, texts, right, scale=100.0).item() < 1e-6
    assert losses.semantic_embedding_loss(texts, texts, wrong, scale=100.0).item() > 90
    by_hand = -math.log(math.e / (math.e + 3))
    assert losses.semantic_embedding_loss(texts, texts, right).item() == pytest.approx(by_hand, abs=1e-6)
