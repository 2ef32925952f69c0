"""The two-stream ResNet against the authors' numbers, and its convolutions as products."""

import copy

import numpy as np
import pytest
import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import nn

from csdn.models.clip_backbone import create_clip
from csdn.models.resnet_tower import PointwiseConv, TwoStreamResNet, adapt_resnet, use_products
from helpers.reference_losses import FIXTURES, parameters
from helpers.tiny_clip import small_sizes

TINY = small_sizes(context_length=20)


@pytest.mark.parametrize(("inner_relu", "name"), [(True, "relu_"), (False, "")])
def test_trunk_matches_the_reference(inner_relu, name):
    with np.load(FIXTURES / "visual_tiny.npz") as a:
        resnet = ModifiedResNet([1, 1, 1, 1], 16, 2, 64, 4)
        resnet.load_state_dict(parameters(a), strict=False)
        adapt_resnet(resnet, (96, 48))
        tower = TwoStreamResNet(resnet, inner_relu=inner_relu).eval()
        x = torch.tensor(a["x"])
        np.testing.assert_allclose(tower.visible_stem(x).detach(), a[f"stem_{name}eval"], atol=1e-6)
        np.testing.assert_allclose(tower(x, x[:0]).detach(), a[f"map_{name}eval"], atol=1e-5)


def test_streams_start_equal_and_are_trained_separately():
    tower = TwoStreamResNet(create_clip(TINY, (64, 32)).visual).eval()
    images = torch.randn(2, 3, 64, 32)
    maps = tower(images, images)
    assert maps.shape == (4, tower.channels, 4, 2)
    assert torch.equal(maps[:2], maps[2:])
    tower(images, images)[:2].sum().backward()
    assert tower.visible_stem.conv1.weight.grad.abs().sum() > 0
    assert tower.infrared_stem.conv1.weight.grad is None or not tower.infrared_stem.conv1.weight.grad.any()


@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_pointwise_products_are_convolutions(memory):
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 7, 1), nn.Conv2d(7, 4, 1, bias=False)).double()
    product = copy.deepcopy(plain)
    use_products(product)
    assert [type(part) for part in product] == [nn.Conv2d, PointwiseConv, PointwiseConv]
    assert [name for name, _ in product.named_parameters()] == [name for name, _ in plain.named_parameters()]
    maps = torch.randn(2, 3, 6, 4, dtype=torch.float64).to(memory_format=memory)
    for network in (plain, product):
        network(maps).square().sum().backward()
    torch.testing.assert_close(product(maps), plain(maps))
    for own, twin in zip(product.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, twin.grad)


def test_making_products_draws_no_random_number():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 1))
    state = torch.get_rng_state()
    use_products(network)
    assert torch.equal(torch.get_rng_state(), state)
