"""Convolutions by minimal filtering against PyTorch's own."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from csdn.config.clip import Backbone, MiniModel
from csdn.models import winograd
from csdn.models.clip_backbone import build_tower, create_clip
from csdn.models.folding import folded
from csdn.models.winograd import WinogradConv, use_winograd


def pair(inputs, outputs, bias=False):
    plain = nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias, dtype=torch.float64)
    quick = WinogradConv(inputs, outputs, 3, padding=1, bias=bias, dtype=torch.float64)
    quick.load_state_dict(plain.state_dict())
    return plain, quick


@pytest.mark.parametrize("tile", [2, 3, 4])
@pytest.mark.parametrize("size", [(4, 2), (18, 9), (16, 8), (5, 7), (1, 1)])
@pytest.mark.parametrize("bias", [False, True])
def test_output_and_gradients_are_those_of_the_convolution(tile, size, bias, monkeypatch):
    monkeypatch.setattr(winograd, "POINTS", {tile: winograd.POINTS[tile]})
    monkeypatch.setattr(winograd, "CHUNK_VALUES", 1000)  # several chunks, of which the last is smaller
    torch.manual_seed(0)
    plain, quick = pair(5, 3, bias)
    results = []
    for conv in (plain, quick):
        maps = torch.randn(7, 5, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        maps = maps.to(memory_format=torch.channels_last).requires_grad_()
        out = conv(maps)
        out.square().sum().backward()
        results.append([out, maps.grad, *(parameter.grad for parameter in conv.parameters())])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("size", "tile"), [((4, 2), 2), ((18, 9), 3), ((72, 36), 4), ((16, 8), 4)])
def test_tiles_are_those_of_the_fewest_multiplications(size, tile):
    assert winograd._Tiles.of(torch.empty(1, 1, *size)).size == tile


@pytest.mark.parametrize("size", [(4, 2), (18, 9), (16, 8)])
def test_float32_is_as_exact_as_the_convolution(size):
    torch.manual_seed(0)
    maps, weight = torch.randn(4, 128, *size), torch.randn(128, 128, 3, 3) / 34
    exact = F.conv2d(maps.double(), weight.double(), padding=1)
    quick = WinogradConv(128, 128, 3, padding=1, bias=False)
    quick.weight = nn.Parameter(weight)
    assert (quick(maps) - exact).abs().max() < 2e-5
    assert quick(maps).is_contiguous(memory_format=torch.channels_last)


def test_wide_convolutions_are_replaced_and_keep_their_parameters():
    wide, narrow = nn.Conv2d(96, 96, 3, padding=1), nn.Conv2d(95, 96, 3, padding=1)
    others = [nn.Conv2d(96, 96, 3), nn.Conv2d(96, 96, 3, 2, 1), nn.Conv2d(96, 96, 3, padding=1, groups=2)]
    model = nn.Sequential(wide, narrow, nn.Sequential(*others)).eval()
    use_winograd(model)
    kinds = [type(part) for part in model.modules() if isinstance(part, nn.Conv2d)]
    assert kinds == [WinogradConv] + [nn.Conv2d] * 4
    assert model[0].weight is wide.weight
    assert model[0].bias is wide.bias
    assert not model[0].training


def test_training_may_follow_inference_in_a_process():
    winograd._transforms.cache_clear()
    conv, maps = WinogradConv(8, 8, 3, padding=1), torch.randn(2, 8, 6, 4)
    with torch.inference_mode():
        expected = conv(maps)
    out = conv(maps.requires_grad_())
    out.sum().backward()
    assert torch.equal(out, expected) and conv.weight.grad is not None and maps.grad is not None


def test_half_precision_takes_the_ordinary_convolution():
    conv = WinogradConv(8, 8, 3, padding=1)
    maps = torch.randn(2, 8, 6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        out = conv(maps)
        expected = F.conv2d(maps, conv.weight, conv.bias, padding=1)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, expected, rtol=0, atol=0)


def test_an_exported_graph_has_the_convolution():
    program = torch.export.export(WinogradConv(8, 8, 3, padding=1), (torch.randn(2, 8, 6, 4),))
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert called == {"aten.conv2d.default"}


def test_a_tower_and_its_folded_form_compute_the_same_with_and_without():
    torch.manual_seed(0)
    mini = MiniModel(width=16, text_width=16, text_heads=2, text_layers=1)
    model = create_clip(Backbone(mini=mini).architecture, (64, 32)).double()
    tower = build_tower(model).eval()
    plain = copy.deepcopy(tower)
    replaced = [part for part in plain.modules() if isinstance(part, WinogradConv)]
    assert len(replaced) == 1  # layer 4 alone is wide enough
    for part in replaced:
        part.forward = nn.Conv2d.forward.__get__(part)
    images = torch.randn(2, 3, 64, 32, dtype=torch.float64)
    expected = plain(images, images)
    for ours in (tower, folded(tower)):
        torch.testing.assert_close(ours(images, images), expected, rtol=1e-9, atol=1e-9)
