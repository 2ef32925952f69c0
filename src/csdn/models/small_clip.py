"""The small CLIP of the embedded benchmark: its architecture, and a file that holds only the words it has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import nn

from csdn.errors import UserError

VOCABULARY = 49408  # size of the vocabulary of CLIP's own tokenizer, which encodes the prompts
TABLE = "token_embedding.weight"
IDS = "token_ids"  # in a file: the rows of the whole table that its shorter table holds


def create_small_clip(
    *,
    layers: Sequence[int],
    width: int,
    head_width: int,
    embed_dim: int,
    text_width: int,
    text_layers: int,
    text_heads: int,
    context_length: int,
) -> CLIP:
    """open_clip's CLIP with the small custom configuration; residual branches are active from the start.

    open_clip starts each block's last BN weight at 0, with which a tower this small learns too slowly.
    """
    vision = {"layers": list(layers), "width": width, "image_size": 64, "head_width": head_width}
    text = {
        "context_length": context_length,
        "vocab_size": VOCABULARY,
        "width": text_width,
        "heads": text_heads,
        "layers": text_layers,
    }
    model = CLIP(embed_dim=embed_dim, vision_cfg=vision, text_cfg=text)
    for name, parameter in model.visual.named_parameters():
        if name.startswith("layer") and name.endswith("bn3.weight"):
            nn.init.ones_(parameter)
    return model


def without_unknown_words(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state of a small CLIP with only those rows of the token table that are not NaN, and their numbers."""
    known = torch.isfinite(state[TABLE]).all(1).nonzero().squeeze(1)
    return {**state, TABLE: state[TABLE][known], IDS: known.int()}


def with_unknown_words(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of `without_unknown_words`; a state that has the whole table stays as it is."""
    state = dict(state)
    if IDS in state and TABLE in state:
        table = torch.full((VOCABULARY, state[TABLE].shape[1]), torch.nan)
        table[state.pop(IDS).long()] = state[TABLE].float()
        state[TABLE] = table
    return state


def check_words(tokens: torch.Tensor, table: nn.Embedding, where: str) -> None:
    """Check that a text consists of words that CLIP has learned.

    Args:
        tokens: ids of any shape.
        table: CLIP's token vectors, NaN for words it has not learned.
        where: the setting the text comes from.

    Raises:
        UserError: it has other words.
    """
    ids = torch.unique(tokens.to(table.weight.device))
    unknown = ids[~torch.isfinite(table.weight[ids]).all(1)].tolist()
    if unknown:
        words = ", ".join(repr(SimpleTokenizer().decode([number]).strip()) for number in unknown)
        raise UserError(
            f"{where}: the small CLIP has learned no word {words}; use words of its captions "
            "(src/csdn/synthetic/captions.py), or another CLIP"
        )
