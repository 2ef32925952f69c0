"""The adapted towers against the authors' numbers and open_clip's own."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.model import CLIP
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from safetensors.torch import save_file
from torch import nn

from csdn.models.attention_pooling import AttentionPooling, resample_positions
from csdn.models.clip_backbone import create_clip, load_small_clip, normalize_images
from csdn.models.prompts import PromptBank, TextTower, template_tokens
from csdn.models.reid_network import Features, ReIDNetwork
from csdn.models.resnet_tower import PointwiseConv, TwoStreamResNet, adapt_resnet, use_products
from helpers.tiny_clip import small_sizes

FIXTURES = Path(__file__).parents[2] / "fixtures"
TINY = small_sizes(context_length=20)


def parameters(arrays, prefix="param."):
    return {k.removeprefix(prefix): torch.tensor(arrays[k]) for k in arrays.files if k.startswith(prefix)}


def test_attention_pool_matches_the_reference():
    with np.load(FIXTURES / "attnpool_tiny.npz") as a:
        pool = AttentionPooling(64, 16, int(a["heads"]), (6, 3))
        pool.load_state_dict(parameters(a))
        x = torch.tensor(a["x"], requires_grad=True)
        y = pool(x)
        (y * torch.tensor(a["w"])).sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), a["y"], atol=1e-6)
        np.testing.assert_allclose(x.grad.numpy(), a["grad_x"], atol=1e-6)


def test_positions_are_resampled_as_in_the_reference():
    with np.load(FIXTURES / "attnpool_tiny.npz") as a:
        resized = resample_positions(torch.tensor(a["pos_embed_4x4"]), (4, 4), (6, 3))
        np.testing.assert_allclose(resized.numpy(), a["pos_embed_6x3"], atol=1e-7)


def test_attention_pool_equals_open_clips_first_token():
    slow = AttentionPool2d(4, 32, 4, 8).double()
    fast = AttentionPooling(32, 8, 4, (4, 4)).double()
    fast.load_state_dict(slow.state_dict())
    x = torch.randn(5, 32, 4, 4, dtype=torch.float64)
    assert torch.allclose(fast(x), slow(x), atol=1e-12)


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


def test_weights_survive_the_file_and_the_size_changes_only_positions(tmp_path):
    model = create_clip(TINY, (64, 32))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "clip.safetensors")
    same = load_small_clip(TINY, tmp_path / "clip.safetensors", (64, 32), trained_size=(64, 32))
    assert all(torch.equal(v, same.state_dict()[k]) for k, v in model.state_dict().items())
    assert not any(p.requires_grad for p in same.parameters())
    larger = load_small_clip(TINY, tmp_path / "clip.safetensors", (128, 64), trained_size=(64, 32))
    assert larger.visual.attnpool.positional_embedding.shape[0] == 8 * 4 + 1


def test_text_tower_matches_the_reference():
    with np.load(FIXTURES / "text_tower_tiny.npz") as a:
        clip = CLIP(
            embed_dim=24,
            vision_cfg={"layers": [1, 1, 1, 1], "width": 16, "image_size": 64},
            text_cfg={"context_length": 77, "vocab_size": 49408, "width": 32, "heads": int(a["heads"]), "layers": 2},
            quick_gelu=True,
        )
        clip.load_state_dict(parameters(a), strict=False)
        contexts = torch.tensor(a["ctx"], requires_grad=True)
        rows = torch.tensor(a["labels"])
        prefix, suffix = (torch.tensor(a[name]).expand(len(rows), -1, -1) for name in ("prefix", "suffix"))
        embedded = torch.cat([prefix, contexts[rows], suffix], dim=1)
        y = TextTower(clip)(embedded, torch.full((len(rows),), int(a["eot_index"][0])))
        (y * torch.tensor(a["w"])).sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), a["y"], rtol=1e-5, atol=2e-6)
        np.testing.assert_allclose(contexts.grad.numpy(), a["grad_ctx"], rtol=1e-4, atol=2e-5)


def test_cutting_after_the_end_of_text_changes_nothing():
    torch.manual_seed(0)
    clip = create_clip(TINY, (64, 32)).eval()
    tower = TextTower(clip)
    tokens = torch.zeros(2, 20, dtype=torch.long)
    tokens[0, :5] = torch.tensor([49406, 320, 1125, 269, 49407])
    tokens[1, :3] = torch.tensor([49406, 320, 49407])
    assert torch.allclose(tower.encode_tokens(tokens), clip.encode_text(tokens), atol=1e-6)


def test_only_the_contexts_of_a_prompt_bank_are_trained():
    tower = TextTower(create_clip(TINY, (64, 32)).requires_grad_(False))
    make = dict(tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
    bank = PromptBank(tower, banks=2, identities=6, **make)
    assert [name for name, _ in bank.named_parameters()] == ["contexts"]
    bank(1, torch.tensor([2, 2, 5])).sum().backward()
    touched = bank.contexts.grad.abs().sum((2, 3)) > 0
    assert touched.nonzero().tolist() == [[1, 2], [1, 5]]
    shared = PromptBank(tower, banks=1, identities=6, **make)
    assert torch.equal(shared(0, torch.tensor([3])), shared(1, torch.tensor([3])))


def test_template_tokens_are_clips():
    before, after = template_tokens("A photo of a {} person.", 4, 77)
    assert before.tolist() == [49406, 320, 1125, 539, 320]
    assert after.tolist() == [2533, 269, 49407]
    with pytest.raises(ValueError, match="positions"):
        template_tokens("A photo of a {} person.", 80, 77)


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


def test_images_are_normalised_channel_by_channel():
    images = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    images[..., 2] = 255
    out = normalize_images(images)
    assert out.shape == (1, 3, 2, 2)
    assert out[0, 0, 0, 0].item() == pytest.approx(-0.48145466 / 0.26862954, rel=1e-5)
    assert out[0, 2, 0, 0].item() == pytest.approx((1 - 0.40821073) / 0.27577711, rel=1e-5)


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
