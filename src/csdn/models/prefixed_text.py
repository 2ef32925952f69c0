"""CLIP's frozen text tower for many prompts that start with the same tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock

if TYPE_CHECKING:
    from csdn.models.prompts import TextTower


class PrefixedText:
    """Text features of prompts with a common prefix, computed by a frozen tower.

    Attention is causal, so in every layer the keys and values of the common tokens do not depend on what follows, and
    are computed once. The last layer is computed only at the end of text, since nothing else of it is used.

    Args:
        tower: must not change afterwards.
        prefix: vectors of the common tokens (P, width), P >= 1.
    """

    def __init__(self, tower: TextTower, prefix: torch.Tensor) -> None:
        self._tower = tower
        self._positions = tower.positional_embedding.detach()
        self._cached: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.length = len(prefix)
        with torch.no_grad():
            x = (prefix + self._positions[: self.length])[None]
            mask = torch.ones(self.length, self.length, dtype=torch.bool, device=x.device).tril()
            for block in tower.transformer.resblocks:
                query, key, value = _project(block, x)
                self._cached.append((key, value))
                x = _finish(block, x, query, key, value, mask)

    @staticmethod
    def reads(tower: TextTower) -> bool:
        """Whether the tower is frozen and consists of the blocks that this class implements, in the usual order."""
        blocks = list(tower.transformer.resblocks)
        plain = all(type(block) is ResidualAttentionBlock and block.attn.batch_first for block in blocks)
        return plain and not any(value.requires_grad for value in tower.parameters())

    def __call__(self, suffix: torch.Tensor) -> torch.Tensor:
        """Vectors of the tokens after the prefix (N, R, width), ending with the end of text -> features (N, embed)."""
        count, own, _ = suffix.shape
        x = suffix + self._positions[self.length : self.length + own]
        mask = torch.ones(own, self.length + own, dtype=torch.bool, device=x.device).tril(self.length)
        last = len(self._cached) - 1
        for number, (block, cached) in enumerate(zip(self._tower.transformer.resblocks, self._cached, strict=True)):
            query, key, value = _project(block, x)
            key, value = (
                torch.cat([common.expand(count, -1, -1, -1), part], dim=2)
                for common, part in zip(cached, (key, value), strict=True)
            )
            if number == last:
                x, query, mask = x[:, -1:], query[:, :, -1:], mask[-1:]
            x = _finish(block, x, query, key, value, mask)
        return self._tower.ln_final(x[:, -1]) @ self._tower.text_projection


def _project(block: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values (N, heads, L, width / heads) of a block's attention."""
    attention = block.attn
    projected = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = projected.unflatten(2, (3, attention.num_heads, -1)).permute(2, 0, 3, 1, 4)
    return query, key, value


def _finish(
    block: Any, x: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """The output of a block for the positions x (N, L, width), which attend to the keys of `mask` (L, keys)."""
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    x = x + block.ls_1(block.attn.out_proj(attended.transpose(1, 2).flatten(2)))
    return x + block.ls_2(block.mlp(block.ln_2(x)))
