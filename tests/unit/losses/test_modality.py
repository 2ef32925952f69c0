"""The modality-shared enhancement loss against the authors' values and gradients."""

import numpy as np
import pytest
import torch

from csdn.losses import modality_shared_enhancement_loss
from helpers.reference_losses import cases, leaf


@pytest.mark.parametrize("case", cases("msel"))
def test_modality_shared_enhancement_matches_the_reference(case):
    x, half = leaf(case["x"]), len(case["x"]) // 2
    labels = torch.tensor(case["labels"])[:half]
    loss = modality_shared_enhancement_loss(x[:half], x[half:], labels, normalize=bool(case["feat_norm"]))
    loss.backward()
    assert loss.item() == pytest.approx(float(case["loss"]), abs=1e-9)
    np.testing.assert_allclose(x.grad.numpy(), case["grad"], atol=1e-9)


def test_modality_shared_enhancement_skips_single_images():
    visible, infrared = torch.randn(4, 3), torch.randn(4, 3)
    assert modality_shared_enhancement_loss(visible, infrared, torch.arange(4)).item() == 0.0
