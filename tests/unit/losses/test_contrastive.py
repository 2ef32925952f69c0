"""The contrastive loss against the authors' values and gradients."""

import numpy as np
import pytest
import torch

from csdn.losses import supervised_contrastive_loss
from helpers.reference_losses import cases, leaf


@pytest.mark.parametrize("case", cases("supcon"))
def test_contrastive_matches_the_reference(case):
    a, b = leaf(case["a"]), leaf(case["b"])
    loss = supervised_contrastive_loss(a, b, torch.tensor(case["labels_a"]), torch.tensor(case["labels_b"]))
    loss.backward()
    assert loss.item() == pytest.approx(float(case["loss"]), abs=1e-9)
    np.testing.assert_allclose(a.grad.numpy(), case["grad_a"], atol=1e-9)
    np.testing.assert_allclose(b.grad.numpy(), case["grad_b"], atol=1e-9)


def test_contrastive_skips_rows_without_positive():
    a, b = torch.randn(3, 4), torch.randn(2, 4)
    some = supervised_contrastive_loss(a, b, torch.tensor([0, 1, 9]), torch.tensor([0, 1]))
    assert torch.allclose(some, supervised_contrastive_loss(a[:2], b, torch.tensor([0, 1]), torch.tensor([0, 1])))
