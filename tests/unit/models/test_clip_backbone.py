"""The CLIP that training starts from: its weights, and how images enter it."""

import pytest
import torch
from safetensors.torch import save_file

from csdn.models.clip_backbone import create_clip, load_small_clip, normalize_images
from helpers.tiny_clip import small_sizes

TINY = small_sizes(context_length=20)


def test_weights_survive_the_file_and_the_size_changes_only_positions(tmp_path):
    model = create_clip(TINY, (64, 32))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "clip.safetensors")
    same = load_small_clip(TINY, tmp_path / "clip.safetensors", (64, 32), trained_size=(64, 32))
    assert all(torch.equal(v, same.state_dict()[k]) for k, v in model.state_dict().items())
    assert not any(p.requires_grad for p in same.parameters())
    larger = load_small_clip(TINY, tmp_path / "clip.safetensors", (128, 64), trained_size=(64, 32))
    assert larger.visual.attnpool.positional_embedding.shape[0] == 8 * 4 + 1


def test_images_are_normalised_channel_by_channel():
    images = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    images[..., 2] = 255
    out = normalize_images(images)
    assert out.shape == (1, 3, 2, 2)
    assert out[0, 0, 0, 0].item() == pytest.approx(-0.48145466 / 0.26862954, rel=1e-5)
    assert out[0, 2, 0, 0].item() == pytest.approx((1 - 0.40821073) / 0.27577711, rel=1e-5)
