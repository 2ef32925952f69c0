"""Each loss against the authors' values and gradients (fixtures) and against an obvious implementation."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from csdn.losses import (
    modality_shared_enhancement_loss,
    semantic_embedding_loss,
    supervised_contrastive_loss,
    weighted_regularization_triplet_loss,
)

FIXTURES = Path(__file__).parents[2] / "fixtures"


def cases(name: str) -> list[dict[str, np.ndarray]]:
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        keys = sorted({key.split("_")[0] for key in arrays.files})
        return [{k[len(c) + 1 :]: arrays[k] for k in arrays.files if k.startswith(c + "_")} for c in keys]


def leaf(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("case", cases("triplet_wrt"))
def test_triplet_matches_the_reference(case):
    x = leaf(case["x"])
    loss = weighted_regularization_triplet_loss(
        x, torch.tensor(case["labels"]), normalize=bool(case["normalize"]), denominator_floor=1e-6
    )
    loss.backward()
    assert loss.item() == pytest.approx(float(case["loss"]), abs=1e-9)
    np.testing.assert_allclose(x.grad.numpy(), case["grad"], atol=1e-9)


@pytest.mark.parametrize("case", cases("supcon"))
def test_contrastive_matches_the_reference(case):
    a, b = leaf(case["a"]), leaf(case["b"])
    loss = supervised_contrastive_loss(a, b, torch.tensor(case["labels_a"]), torch.tensor(case["labels_b"]))
    loss.backward()
    assert loss.item() == pytest.approx(float(case["loss"]), abs=1e-9)
    np.testing.assert_allclose(a.grad.numpy(), case["grad_a"], atol=1e-9)
    np.testing.assert_allclose(b.grad.numpy(), case["grad_b"], atol=1e-9)


@pytest.mark.parametrize("case", cases("msel"))
def test_modality_shared_enhancement_matches_the_reference(case):
    x, half = leaf(case["x"]), len(case["x"]) // 2
    labels = torch.tensor(case["labels"])[:half]
    loss = modality_shared_enhancement_loss(x[:half], x[half:], labels, normalize=bool(case["feat_norm"]))
    loss.backward()
    assert loss.item() == pytest.approx(float(case["loss"]), abs=1e-9)
    np.testing.assert_allclose(x.grad.numpy(), case["grad"], atol=1e-9)


def slow_triplet(x: torch.Tensor, ids: list[int]) -> float:
    total = 0.0
    for i in range(len(x)):
        d = [math.sqrt(max(float((x[i] - x[j]).square().sum()), 1e-12)) for j in range(len(x))]
        pos = [d[j] for j in range(len(x)) if ids[j] == ids[i]]
        neg = [d[j] for j in range(len(x)) if ids[j] != ids[i]]
        furthest = sum(v * math.exp(v) for v in pos) / sum(math.exp(v) for v in pos)
        closest = sum(v * math.exp(-v) for v in neg) / sum(math.exp(-v) for v in neg)
        total += math.log1p(math.exp(furthest - closest))
    return total / len(x)


def test_triplet_is_a_masked_softmax_without_the_floor():
    x, ids = torch.randn(9, 5, dtype=torch.float64, generator=torch.manual_seed(3)), [0, 0, 0, 1, 1, 2, 2, 2, 2]
    fast = weighted_regularization_triplet_loss(x, torch.tensor(ids))
    assert fast.item() == pytest.approx(slow_triplet(x, ids), abs=1e-6)


def test_triplet_keeps_its_negatives_at_large_distances():
    x, ids = 40 * torch.randn(12, 8, dtype=torch.float64, generator=torch.manual_seed(0)), torch.arange(12) // 3
    sound = weighted_regularization_triplet_loss(x, ids)
    with_floor = weighted_regularization_triplet_loss(x, ids, denominator_floor=1e-6)
    assert with_floor > sound + 1


def test_modality_shared_enhancement_skips_single_images():
    visible, infrared = torch.randn(4, 3), torch.randn(4, 3)
    assert modality_shared_enhancement_loss(visible, infrared, torch.arange(4)).item() == 0.0


def test_contrastive_skips_rows_without_positive():
    a, b = torch.randn(3, 4), torch.randn(2, 4)
    some = supervised_contrastive_loss(a, b, torch.tensor([0, 1, 9]), torch.tensor([0, 1]))
    assert torch.allclose(some, supervised_contrastive_loss(a[:2], b, torch.tensor([0, 1]), torch.tensor([0, 1])))


def test_semantic_loss_is_zero_only_when_images_pick_their_text():
    texts = torch.eye(4)
    right, wrong = torch.arange(4), torch.tensor([1, 2, 3, 0])
    assert semantic_embedding_loss(texts, texts, right, scale=100.0).item() < 1e-6
    assert semantic_embedding_loss(texts, texts, wrong, scale=100.0).item() > 90
    by_hand = -math.log(math.e / (math.e + 3))
    assert semantic_embedding_loss(texts, texts, right).item() == pytest.approx(by_hand, abs=1e-6)
