"""The triplet loss against the authors' values and gradients and against an obvious implementation."""

import math

import numpy as np
import pytest
import torch

from csdn.losses import weighted_regularization_triplet_loss
from helpers.reference_losses import cases, leaf


@pytest.mark.parametrize("case", cases("triplet_wrt"))
def test_triplet_matches_the_reference(case):
    x = leaf(case["x"])
    loss = weighted_regularization_triplet_loss(
        x, torch.tensor(case["labels"]), normalize=bool(case["normalize"]), denominator_floor=1e-6
    )
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
