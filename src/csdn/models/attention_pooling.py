"""CLIP's attention pool, computed only for the query that CLIP uses."""

import torch
import torch.nn.functional as F
from torch import nn


class AttentionPooling(nn.Module):
    """CLIP ResNets' last layer: the mean token attends over itself and every position; (N, C, h, w) -> (N, embed).

    Parameters are named as in open_clip's AttentionPool2d and the output is the same, but only the query that CLIP
    uses is computed, and the key and value projections are absorbed into it: `q (Wk x)^T = (q Wk) x^T`, so that
    positions are never projected. The key bias shifts all scores equally and cancels in the softmax.
    """

    def __init__(self, channels: int, embed_dim: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid
        self.num_heads = heads
        self.positional_embedding = nn.Parameter(torch.randn(grid[0] * grid[1] + 1, channels) / channels**0.5)
        self.k_proj = nn.Linear(channels, channels)
        self.q_proj = nn.Linear(channels, channels)
        self.v_proj = nn.Linear(channels, channels)
        self.c_proj = nn.Linear(channels, embed_dim)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, h, w) with (h, w) = grid -> projected features (N, embed)."""
        tokens = self._tokens(maps)
        batch, _, channels = tokens.shape
        value_weight = self.v_proj.weight.view(self.num_heads, channels // self.num_heads, channels)
        attended = self._weights(tokens) @ tokens
        values = torch.einsum("bhc,hwc->bhw", attended, value_weight).reshape(batch, channels) + self.v_proj.bias
        return self.c_proj(values)

    def attention(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, h, w) -> each head's weight of each position (N, heads, h, w), without that of the mean token."""
        weights = self._weights(self._tokens(maps))
        return weights[:, :, 1:].unflatten(2, maps.shape[2:])

    def _tokens(self, maps: torch.Tensor) -> torch.Tensor:
        """The mean token and every position, (N, 1 + h * w, C)."""
        positions = maps.flatten(2).transpose(1, 2)
        tokens = torch.cat([positions.mean(1, keepdim=True), positions], dim=1)
        return tokens + self.positional_embedding.to(tokens.dtype)

    def _weights(self, tokens: torch.Tensor) -> torch.Tensor:
        """Attention weights of the mean token's query, (N, heads, 1 + h * w)."""
        batch, _, channels = tokens.shape
        width = channels // self.num_heads
        query = self.q_proj(tokens[:, 0]).view(batch, self.num_heads, width) * width**-0.5
        key_weight = self.k_proj.weight.view(self.num_heads, width, channels)
        scores = torch.einsum("bhw,hwc->bhc", query, key_weight) @ tokens.transpose(1, 2)
        return scores.softmax(-1)


def resample_positions(embedding: torch.Tensor, old: tuple[int, int], new: tuple[int, int]) -> torch.Tensor:
    """Resample a positional embedding (1 + old_h * old_w, C) to a new grid, bilinearly; the first row is kept.

    `align_corners=False` and no antialiasing, as in the authors' code.
    """
    first, grid = embedding[:1], embedding[1:]
    maps = grid.T.reshape(1, -1, *old).float()
    resized = F.interpolate(maps, size=new, mode="bilinear", align_corners=False)
    return torch.cat([first, resized.flatten(2)[0].T.to(embedding.dtype)])
