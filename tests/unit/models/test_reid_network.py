"""The heads against the authors' numbers, and descriptors."""

import numpy as np
import pytest
import torch
from open_clip.modified_resnet import ModifiedResNet

from csdn.models.build import build_network
from csdn.models.clip_backbone import create_clip
from csdn.models.reid_network import Features, IdentityHead, ReIDNetwork
from csdn.models.resnet_tower import TwoStreamResNet, adapt_resnet
from helpers.reference_losses import FIXTURES
from helpers.tiny_clip import small_sizes


def test_heads_match_the_reference():
    with np.load(FIXTURES / "heads.npz") as a:
        resnet = ModifiedResNet([1, 1, 1, 1], 1024, 32, 64, 64)
        adapt_resnet(resnet, (64, 32))
        network = ReIDNetwork(
            TwoStreamResNet(resnet),
            identities=5,
            classifier_scale=None,
            descriptor="reference",
            generator=torch.Generator(),
        ).eval()
        for head, name in ((network.pooled_head, "c1"), (network.projected_head, "c2")):
            neck = {k: torch.tensor(a[f"{name}.BN.{k}"]) for k in ("weight", "bias", "running_mean", "running_var")}
            head.neck.load_state_dict(neck, strict=False)
            head.weight.data = torch.tensor(a[f"{name}.classifier.weight"])
        network.pooling.p.data = torch.tensor(a["c1.GEM.p"])
        features = Features(network.pooling(torch.tensor(a["map"])), torch.tensor(a["proj"]))
        logits = network.classify(features)
        np.testing.assert_allclose(features.pooled.detach(), a["pooled"][..., 0, 0], rtol=1e-5)
        np.testing.assert_allclose(logits[0].detach(), a["logits1"], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(logits[1].detach(), a["logits2"], rtol=1e-5, atol=1e-5)
        expected = np.concatenate([a["test_feature1"], a["test_feature2"]], axis=1)
        np.testing.assert_allclose(network.describe(features).detach(), expected, atol=1e-6)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = build_network(
        create_clip(small_sizes(), (32, 16)),
        identities=5,
        generator=torch.Generator().manual_seed(0),
        inner_relu=True,
        classifier_scale=16.0,
        descriptor="reference",
    )
    for head in (made.pooled_head, made.projected_head):
        head.neck.running_mean.normal_()
    return made.eval()


def test_features_are_of_visible_images_and_then_of_infrared_ones(network):
    with torch.no_grad():
        network.backbone.infrared_stem.conv1.weight.mul_(0.5)
        images = torch.randn(3, 3, 32, 16)
        both = network(images[:2], images[2:])
        alone = network(images[:2], images[:0]), network(images[:0], images[2:])
    for found, *parts in zip(both, *alone, strict=True):
        torch.testing.assert_close(found, torch.cat(parts))


def test_a_descriptor_is_two_unit_vectors_and_only_both_necks_normalises_the_second(network):
    features = Features(torch.rand(3, network.backbone.channels), torch.randn(3, 16))
    split = network.backbone.channels
    plain = network.describe(features)
    network.descriptor = "both_necks"
    necks = network.describe(features)
    for part in (plain[:, :split], plain[:, split:], necks[:, split:]):
        torch.testing.assert_close(part.norm(dim=1), torch.ones(3))
    assert torch.equal(plain[:, :split], necks[:, :split])
    torch.testing.assert_close(plain[:, split:], torch.nn.functional.normalize(features.projected, dim=1))
    assert not torch.allclose(plain[:, split:], necks[:, split:])


def test_cosine_logits_are_bounded_by_their_scale_and_linear_ones_grow_with_the_features():
    cosine, linear = (IdentityHead(4, 3, scale, torch.Generator().manual_seed(0)).eval() for scale in (16.0, None))
    assert torch.equal(cosine.weight, linear.weight)
    features = torch.randn(6, 4)
    assert cosine(features).abs().max() <= 16
    torch.testing.assert_close(cosine(5 * features), cosine(features))
    torch.testing.assert_close(linear(5 * features), 5 * linear(features))
