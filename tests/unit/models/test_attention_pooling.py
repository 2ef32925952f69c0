"""The attention pool against the authors' numbers and open_clip's own."""

import numpy as np
import torch
from open_clip.modified_resnet import AttentionPool2d

from csdn.models.attention_pooling import AttentionPooling, resample_positions
from helpers.reference_losses import FIXTURES, parameters


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


def test_attention_maps_are_the_weights_of_the_positions():
    """What they leave of 1 is the weight of the mean token itself."""
    torch.manual_seed(0)
    pool = AttentionPooling(8, 4, 2, (3, 2)).double()
    maps = torch.randn(2, 8, 3, 2, dtype=torch.float64)
    weights = pool.attention(maps)
    assert weights.shape == (2, 2, 3, 2)
    with torch.no_grad():
        pool.k_proj.weight.zero_()  # every token is as good as any other
    torch.testing.assert_close(pool.attention(maps), torch.full((2, 2, 3, 2), 1 / 7, dtype=torch.float64))
    assert (weights.sum((2, 3)) < 1).all() and (weights > 0).all()


def test_a_grid_of_the_same_size_keeps_its_positions():
    embedding = torch.randn(1 + 4 * 3, 5)
    torch.testing.assert_close(resample_positions(embedding, (4, 3), (4, 3)), embedding)
    rows = torch.cat([torch.zeros(1, 1), torch.arange(4.0).repeat_interleave(2)[:, None]])  # 4 x 2: the row's number
    halved = resample_positions(rows, (4, 2), (2, 2))[1:, 0].reshape(2, 2)
    torch.testing.assert_close(halved, torch.tensor([[0.5, 0.5], [2.5, 2.5]]))
