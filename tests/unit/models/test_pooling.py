"""Generalised-mean pooling against the authors' values and gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch

from csdn.models.pooling import GeneralizedMeanPooling

ARRAYS = np.load(Path(__file__).parents[2] / "fixtures" / "gem.npz")


@pytest.mark.parametrize("case", sorted({key.split("_")[0] for key in ARRAYS.files}))
def test_pooling_matches_the_reference(case):
    a = {key.removeprefix(f"{case}_"): ARRAYS[key] for key in ARRAYS.files if key.startswith(f"{case}_")}
    pooling = GeneralizedMeanPooling(float(a["p"][0])).double()
    pooling.p.data = torch.tensor(a["p"])
    x = torch.tensor(a["x"], requires_grad=True)
    y = pooling(x)
    (y * torch.tensor(a["w"][..., 0, 0])).sum().backward()
    np.testing.assert_allclose(y.detach(), a["y"][..., 0, 0], atol=1e-9)
    np.testing.assert_allclose(x.grad, a["grad_x"], atol=1e-9)
    np.testing.assert_allclose(pooling.p.grad, a["grad_p"], atol=1e-9)


def test_pooling_in_bfloat16_is_computed_in_float32():
    x = torch.rand(2, 3, 4, 2).bfloat16()
    assert torch.equal(GeneralizedMeanPooling()(x), GeneralizedMeanPooling()(x.float()))
