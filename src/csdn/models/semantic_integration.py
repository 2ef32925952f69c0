"""Semantic information integration (SII): fuse (N, dim) visible and (N, dim) infrared text features into (N, dim)."""

import torch
from torch import nn


class ReferenceFusion(nn.Module):
    """The authors' fusion: `W tanh(Wv t_ir) + t_vis`, written as attention over a single key.

    The softmax over one key is always 1, so the query and key projections get no gradient; they are kept because the
    authors' checkpoints contain them. Dropout follows each tanh.
    """

    def __init__(self, dim: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.embedding_q = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Dropout(dropout))
        self.embedding_k = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Dropout(dropout))
        self.embedding_v = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Dropout(dropout))
        self.embedding_common = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, text_visible: torch.Tensor, text_infrared: torch.Tensor) -> torch.Tensor:
        """(N, dim) x 2 -> (N, dim)."""
        query = self.embedding_q(text_visible)[:, None]
        key = self.embedding_k(text_infrared)[:, None]
        value = self.embedding_v(text_infrared)[:, None]
        weights = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5).softmax(-1)
        return self.embedding_common((weights @ value)[:, 0]) + text_visible


class AttentionFusion(nn.Module):
    """True attention: each modality's description attends over both, with a residual, and the results are averaged.

    The output projection starts at zero, so that training starts from the mean of the two descriptions and keeps what
    they say about the identity until it has learned something better.
    """

    def __init__(self, dim: int, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"fusion.heads: {heads} does not divide the text feature's {dim} dimensions")
        self.norm = nn.LayerNorm(dim)
        self.modality_embedding = nn.Parameter(torch.zeros(2, dim))
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        nn.init.zeros_(self.attention.out_proj.weight)
        self.mlp_norm = nn.LayerNorm(dim)
        last = nn.Linear(2 * dim, dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), last)

    def forward(self, text_visible: torch.Tensor, text_infrared: torch.Tensor) -> torch.Tensor:
        """(N, dim) x 2 -> (N, dim)."""
        tokens = torch.stack([text_visible, text_infrared], dim=1)
        scale = tokens.norm(dim=2, keepdim=True).mean(1, keepdim=True).detach() / tokens.shape[-1] ** 0.5
        normed = self.norm(tokens) + self.modality_embedding
        attended, _ = self.attention(normed, normed, normed, need_weights=False)
        tokens = tokens + scale * attended
        tokens = tokens + scale * self.mlp(self.mlp_norm(tokens))
        return tokens.mean(1)


class MeanFusion(nn.Module):
    """The mean of both descriptions; has no parameters."""

    def forward(self, text_visible: torch.Tensor, text_infrared: torch.Tensor) -> torch.Tensor:
        """(N, dim) x 2 -> (N, dim)."""
        return (text_visible + text_infrared) / 2


class SumFusion(nn.Module):
    """The sum of both descriptions; has no parameters."""

    def forward(self, text_visible: torch.Tensor, text_infrared: torch.Tensor) -> torch.Tensor:
        """(N, dim) x 2 -> (N, dim)."""
        return text_visible + text_infrared


class ConcatFusion(nn.Module):
    """A linear layer on the concatenated descriptions, which starts as their mean."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * dim, dim)
        with torch.no_grad():
            self.linear.weight.copy_(torch.eye(dim).repeat(1, 2) / 2)
            self.linear.bias.zero_()

    def forward(self, text_visible: torch.Tensor, text_infrared: torch.Tensor) -> torch.Tensor:
        """(N, dim) x 2 -> (N, dim)."""
        return self.linear(torch.cat([text_visible, text_infrared], dim=1))


def build_fusion(kind: str, dim: int, *, heads: int, dropout: float) -> nn.Module:
    """The fusion module named `kind`: attention, reference, mean, sum or concat."""
    if kind == "attention":
        return AttentionFusion(dim, heads, dropout)
    if kind == "reference":
        return ReferenceFusion(dim, dropout)
    if kind == "concat":
        return ConcatFusion(dim)
    return {"mean": MeanFusion, "sum": SumFusion}[kind]()
