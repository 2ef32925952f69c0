"""The vision transformer with two patch embeddings against open_clip's own forward pass."""

import pytest
import torch
import torch.nn.functional as F
from open_clip.model import CLIP

from csdn.models.clip_backbone import build_tower, load_clip
from csdn.models.reid_network import ReIDNetwork
from csdn.models.transformer_tower import TwoStreamTransformer
from helpers.tiny_clip import MODELS, register


@pytest.fixture(scope="module", autouse=True)
def models(tmp_path_factory):
    register(tmp_path_factory.mktemp("models"))


@pytest.fixture
def vit():
    torch.manual_seed(0)
    return CLIP(**MODELS["tiny-vit"]).eval()


def test_at_its_own_size_it_is_open_clips(vit):
    images = torch.randn(3, 3, 64, 64)
    tower = TwoStreamTransformer(vit.visual).eval()
    for visible, infrared in ((images, images[:0]), (images[:0], images), (images[:2], images[2:])):
        assert torch.allclose(tower.project(tower(visible, infrared)), vit.encode_image(images), atol=1e-6)


def test_the_patch_grid_is_resampled_and_the_class_tokens_position_kept(tmp_path, vit):
    path = tmp_path / "clip.pt"
    torch.save(vit.state_dict(), path)
    loaded = load_clip("tiny-vit", path, (96, 48))
    old, new = vit.visual.positional_embedding, loaded.visual.positional_embedding
    assert new.shape == (6 * 3 + 1, 32)
    assert torch.equal(new[0], old[0])
    maps = old[1:].T.reshape(1, 32, 4, 4)
    resized = F.interpolate(maps, size=(6, 3), mode="bilinear", align_corners=False, antialias=False)
    assert torch.equal(new[1:], resized[0].flatten(1).T)


def test_one_patch_embedding_a_modality_and_the_rest_shared(vit):
    network = ReIDNetwork(
        build_tower(vit), identities=5, classifier_scale=None, descriptor="reference", generator=torch.Generator()
    )
    images = torch.randn(2, 3, 64, 64)
    features = network(images, images)
    assert features.pooled.shape == (4, 32) and features.projected.shape == (4, 16)
    features.projected[:2].sum().backward()
    assert network.backbone.visible_stem.weight.grad.abs().sum() > 0
    assert not network.backbone.infrared_stem.weight.grad.any()
    assert network.backbone.transformer.resblocks[0].mlp.c_fc.weight.grad.abs().sum() > 0


def test_pooled_is_the_class_token_after_the_final_norm(vit):
    network = ReIDNetwork(
        build_tower(vit), identities=5, classifier_scale=None, descriptor="reference", generator=torch.Generator()
    ).eval()
    assert not list(network.pooling.parameters())
    seen = []
    vit.visual.ln_post.register_forward_hook(lambda module, inputs, output: seen.append(output))
    images = torch.randn(2, 3, 64, 64)
    vit.visual(images)
    pooled, projected = network(images, images[:0])
    wanted = seen[0] if seen[0].ndim == 2 else seen[0][:, 0]
    assert torch.allclose(pooled, wanted, atol=1e-6)
    assert torch.allclose(projected, wanted @ vit.visual.proj, atol=1e-6)
    described = network.describe(network(images, images[:0]))
    assert torch.allclose(described[:, 32:], F.normalize(projected, dim=1), atol=1e-6)
