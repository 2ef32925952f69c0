"""The identity loss against its definition."""

import math

import pytest
import torch

from csdn.losses.identity import identity_loss


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_the_cross_entropy_with_smoothed_labels(smoothing):
    """Logits (ln 3, 0, 0) are probabilities (3/5, 1/5, 1/5); smoothing gives each identity its share / 3."""
    loss = identity_loss(torch.tensor([[math.log(3), 0.0, 0.0]]), torch.tensor([0]), label_smoothing=smoothing)
    expected = -(1 - smoothing) * math.log(3 / 5) - smoothing / 3 * (math.log(3 / 5) + 2 * math.log(1 / 5))
    assert loss.item() == pytest.approx(expected)


def test_half_precision_is_summed_in_single():
    logits = torch.tensor([[9.0, 0.0]], dtype=torch.bfloat16)
    loss = identity_loss(logits, torch.tensor([0]))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(math.log1p(math.exp(-9)), rel=1e-3)
