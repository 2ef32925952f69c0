from __future__ import annotations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from csdn.models.clip_backbone import random_clip
from csdn.models.explanation import attention_maps, choose_images, choose_people, description_similarity, explain_pairs
from csdn.models.reid_network import ReIDNetwork
from csdn.models.resnet_tower import TwoStreamResNet
from helpers.tiny_clip import small_sizes


def index() -> pd.DataFrame:
    rows = [(p, m, "test" if p < 6 else "train") for p in range(8) for m in ("visible", "infrared") for _ in range(4)]
    frame = pd.DataFrame(rows, columns=["person_id", "modality", "subset_default"])
    return frame[~((frame["person_id"] == 2) & (frame["modality"] == "infrared"))].reset_index(drop=True)


def network() -> ReIDNetwork:
    torch.manual_seed(0)
    backbone = TwoStreamResNet(random_clip(small_sizes(), (64, 32)).visual)
    generator = torch.Generator().manual_seed(0)
    return ReIDNetwork(backbone, identities=3, classifier_scale=16, descriptor="both_necks", generator=generator).eval()


def images(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.randn(2 * count, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    return both[:count], both[count:]


def test_only_test_people_seen_in_both_modalities_are_chosen():
    chosen = choose_people(index(), "default", 20, np.random.default_rng(0))
    assert chosen.tolist() == [0, 1, 3, 4, 5]
    assert len(choose_people(index(), "default", 3, np.random.default_rng(0))) == 3


def test_each_person_gets_as_many_images_of_each_modality():
    frame, people = index(), np.array([1, 4])
    rows = choose_images(frame, "default", people, 3, np.random.default_rng(0))
    counts = frame.iloc[rows].groupby(["person_id", "modality"]).size()
    assert counts.to_dict() == {(p, m): 3 for p in (1, 4) for m in ("visible", "infrared")}
    again = choose_images(frame, "default", people, 3, np.random.default_rng(0))
    np.testing.assert_array_equal(rows, again)


def test_attention_is_that_of_torchs_own_attention():
    pool = network().backbone.attention_pool
    maps = torch.randn(2, pool.q_proj.in_features, *pool.grid)
    positions = maps.flatten(2).permute(2, 0, 1)
    tokens = torch.cat([positions.mean(0, keepdim=True), positions]) + pool.positional_embedding[:, None]
    output, weights = F.multi_head_attention_forward(
        query=tokens[:1], key=tokens, value=tokens, embed_dim_to_check=tokens.shape[-1], num_heads=pool.num_heads,
        q_proj_weight=pool.q_proj.weight, k_proj_weight=pool.k_proj.weight, v_proj_weight=pool.v_proj.weight,
        in_proj_weight=None, in_proj_bias=torch.cat([pool.q_proj.bias, pool.k_proj.bias, pool.v_proj.bias]),
        bias_k=None, bias_v=None, add_zero_attn=False, dropout_p=0.0, out_proj_weight=pool.c_proj.weight,
        out_proj_bias=pool.c_proj.bias, use_separate_proj_weight=True, training=False, average_attn_weights=False,
    )  # fmt: skip
    torch.testing.assert_close(pool.attention(maps).flatten(2), weights[:, :, 0, 1:], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(pool(maps), output[0], rtol=1e-4, atol=1e-5)


def test_attention_maps_are_ordered_by_modality():
    net, (visible, infrared) = network(), images()
    both = attention_maps(net, visible, infrared)
    assert both.shape == (2, 3, 4, 2)
    alone = net.backbone.attention_pool.attention(net.backbone(visible[:0], infrared[1:2])).mean(1)
    np.testing.assert_allclose(both[1, 1], alone[0].detach().numpy(), rtol=1e-4)
    assert (both.sum((2, 3)) < 1).all()  # the rest is the mean token's


def test_grad_cam_is_the_obvious_loop_over_channels():
    net, (visible, infrared) = network(), images(2)
    found = explain_pairs(net, visible, infrared)
    for pair in range(2):
        maps = net.backbone(visible[pair : pair + 1], infrared[pair : pair + 1]).detach().requires_grad_(True)
        pooled, projected = net.pooling(maps), net.backbone.attention_pool(maps)
        necks = net.pooled_head.neck(pooled), net.projected_head.neck(projected)
        descriptors = torch.cat([F.normalize(neck, dim=1) for neck in necks], dim=1)
        one, other = descriptors
        (one @ other / (one.norm() * other.norm())).backward()
        for side in range(2):
            expected = sum(
                float(maps.grad[side, c].mean()) * maps[side, c].detach().numpy() for c in range(maps.shape[1])
            )
            np.testing.assert_allclose(found.grad_cam[side, pair], np.maximum(expected, 0), rtol=1e-3, atol=1e-7)
    assert all(parameter.grad is None for parameter in net.backbone.layers.parameters())


def test_similarity_to_descriptions_is_the_obvious_loop():
    rng = np.random.default_rng(0)
    features, texts = rng.normal(size=(9, 5)).astype(np.float32), rng.normal(size=(4, 5)).astype(np.float32)
    labels = rng.integers(0, 4, 9)
    own, hardest = description_similarity(features, texts, labels)
    for n, label in enumerate(labels):
        cosines = [f @ t / np.linalg.norm(f) / np.linalg.norm(t) for f, t in [(features[n], text) for text in texts]]
        assert own[n] == np.float32(own[n])
        np.testing.assert_allclose(own[n], cosines[label], rtol=1e-5)
        np.testing.assert_allclose(hardest[n], max(c for k, c in enumerate(cosines) if k != label), rtol=1e-5)
