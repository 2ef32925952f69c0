"""Fusions: the reference's numbers, and what each one does before any training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from csdn.models.semantic_integration import AttentionFusion, ReferenceFusion, build_fusion

ARRAYS = np.load(Path(__file__).parents[2] / "fixtures" / "attention_fusion.npz")


@pytest.mark.parametrize("case", sorted({key.split("_")[0] for key in ARRAYS.files}))
def test_reference_fusion_matches_values_and_gradients(case):
    a = {key.removeprefix(f"{case}_"): ARRAYS[key] for key in ARRAYS.files if key.startswith(f"{case}_")}
    fusion = ReferenceFusion(a["t1"].shape[1]).double().eval()
    fusion.load_state_dict({k.removeprefix("param."): torch.tensor(v) for k, v in a.items() if k.startswith("param.")})
    visible, infrared = (torch.tensor(a[name], requires_grad=True) for name in ("t1", "t2"))
    y = fusion(visible, infrared)
    (y * torch.tensor(a["w"])).sum().backward()
    np.testing.assert_allclose(y.detach(), a["y"], atol=1e-9)
    np.testing.assert_allclose(visible.grad, a["grad_t1"], atol=1e-9)
    np.testing.assert_allclose(infrared.grad, a["grad_t2"], atol=1e-9)
    for name, parameter in fusion.named_parameters():
        np.testing.assert_allclose(parameter.grad, a[f"gradparam.{name}"], atol=1e-9)


@pytest.mark.parametrize("kind", ["attention", "mean", "concat"])
def test_fusions_start_at_the_mean(kind):
    visible, infrared = torch.randn(5, 16), torch.randn(5, 16)
    fusion = build_fusion(kind, 16, heads=4, dropout=0.1).eval()
    assert torch.allclose(fusion(visible, infrared), (visible + infrared) / 2, atol=1e-6)


def test_sum_fusion_adds():
    visible, infrared = torch.randn(5, 16), torch.randn(5, 16)
    assert torch.equal(build_fusion("sum", 16, heads=4, dropout=0.0)(visible, infrared), visible + infrared)


def test_true_attention_gives_queries_and_keys_a_gradient_and_the_references_does_not():
    visible, infrared = torch.randn(5, 16), torch.randn(5, 16)
    fusion = AttentionFusion(16)
    torch.nn.init.normal_(fusion.attention.out_proj.weight)
    fusion(visible, infrared).square().sum().backward()
    assert fusion.attention.in_proj_weight.grad[:32].abs().sum() > 0
    reference = ReferenceFusion(16)
    reference(visible, infrared).square().sum().backward()
    assert reference.embedding_q[0].weight.grad.abs().sum() == 0


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match=r"fusion\.heads"):
        build_fusion("attention", 16, heads=3, dropout=0.0)
