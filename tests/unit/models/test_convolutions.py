"""Convolutions are replaced where they are suitable, and keep their parameters."""

import torch
from torch import nn

from csdn.models.convolutions import replace_convolutions


class Other(nn.Conv2d):
    """Another way to compute the same."""


def test_only_suitable_and_plain_ones_are_replaced_however_deep_they_are():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()), nn.ConvTranspose2d(4, 4, 1)
    )
    replace_convolutions(network, Other, lambda conv: conv.kernel_size == (1, 1))
    assert [type(part) for part in network.modules() if hasattr(part, "weight")] == [
        nn.Conv2d,
        Other,
        nn.ConvTranspose2d,
    ]
    inner = network[1][0]
    replace_convolutions(network, Other, lambda conv: True)
    assert network[1][0] is inner and type(network[0]) is Other


def test_a_replacement_has_the_same_parameters_and_mode():
    plain = nn.Conv2d(3, 5, (3, 1), padding=(1, 0), bias=False).eval()
    network = nn.Sequential(plain)
    replace_convolutions(network, Other, lambda conv: True)
    new = network[0]
    assert new.weight is plain.weight and new.bias is None and not new.training
    maps = torch.randn(1, 3, 4, 4)
    torch.testing.assert_close(new(maps), plain(maps))
