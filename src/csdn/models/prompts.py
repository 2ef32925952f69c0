"""Learnable descriptions: token vectors of each identity in a fixed template, read by CLIP's frozen text tower."""

from __future__ import annotations

from functools import cache

import torch
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from torch import nn

from csdn.models.prefixed_text import PrefixedText


class TextTower(nn.Module):
    """CLIP's text tower on embedded tokens, computed only up to the last end of text.

    Attention is causal, so nothing after the end-of-text token changes its feature, and sequences are cut there.
    """

    attn_mask: torch.Tensor

    def __init__(self, clip: CLIP) -> None:
        super().__init__()
        self.token_embedding = clip.token_embedding
        self.positional_embedding = clip.positional_embedding
        self.transformer = clip.transformer
        self.ln_final = clip.ln_final
        self.text_projection = clip.text_projection
        self.context_length = clip.context_length
        self.register_buffer("attn_mask", clip.attn_mask, persistent=False)

    @property
    def width(self) -> int:
        """Dimensions of a token vector."""
        return self.positional_embedding.shape[1]

    def forward(self, embedded: torch.Tensor, end: torch.Tensor, length: int | None = None) -> torch.Tensor:
        """Token vectors (N, L, width) with end-of-text positions (N,) -> text features (N, embed).

        Args:
            length: the last end of text plus one; pass it if known, because reading it from a GPU waits for the GPU.
        """
        length = int(end.max()) + 1 if length is None else length
        x = embedded[:, :length] + self.positional_embedding[:length]
        x = self.ln_final(self.transformer(x, attn_mask=self.attn_mask[:length, :length]))
        return x[torch.arange(len(x), device=x.device), end] @ self.text_projection

    def encode_tokens(self, tokens: torch.Tensor) -> torch.Tensor:
        """Token ids (N, L) -> text features (N, embed); the end of text is the highest id."""
        return self(self.token_embedding(tokens), tokens.argmax(1))


class PromptBank(nn.Module):
    """Descriptions `A photo of a X X X X person.` with X learned for each identity (CSDN section III-B).

    Args:
        tower: CLIP's text tower; it is not trained and not part of this module's state.
        banks: 2 for one bank per modality (0 visible, 1 infrared), 1 for a shared one.
        identities: number of training identities.
        tokens: learnable tokens of each description.
        template: text with {} where the learnable tokens go.
        generator: draws the initial values from N(0, 0.02).
    """

    prefix: torch.Tensor
    suffix: torch.Tensor

    def __init__(
        self, tower: TextTower, *, banks: int, identities: int, tokens: int, template: str, generator: torch.Generator
    ) -> None:
        super().__init__()
        self._read: tuple[tuple[torch.device, torch.dtype], PrefixedText] | None = None
        self._tower = [tower]  # in a list, so that PyTorch does not register its weights as this module's
        self.contexts = nn.Parameter(torch.empty(banks, identities, tokens, tower.width))
        nn.init.normal_(self.contexts, std=0.02, generator=generator)
        before, after = template_tokens(template, tokens, tower.context_length)
        with torch.no_grad():
            self.register_buffer("prefix", tower.token_embedding(before).clone(), persistent=False)
            self.register_buffer("suffix", tower.token_embedding(after).clone(), persistent=False)

    def forward(self, bank: int, rows: torch.Tensor) -> torch.Tensor:
        """Text features (N, embed) of identities `rows` (N,) in `bank` (with a shared bank the index is ignored)."""
        return self._describe(self.contexts[min(bank, len(self.contexts) - 1)][rows])

    def both(self, rows: torch.Tensor) -> torch.Tensor:
        """Text features (2 N, embed) of identities `rows` (N,): visible, then infrared; each is computed once."""
        persons, places = torch.unique(rows, return_inverse=True)
        texts = self._describe(self.contexts[:, persons].flatten(0, 1))
        infrared = len(persons) if len(self.contexts) == 2 else 0
        return texts[torch.cat([places, places + infrared])]

    def _describe(self, contexts: torch.Tensor) -> torch.Tensor:
        """Contexts (N, tokens, width) -> text features (N, embed)."""
        count, tower = len(contexts), self._tower[0]
        suffix = self.suffix.expand(count, -1, -1)
        if PrefixedText.reads(tower):
            return self._prefixed()(torch.cat([contexts, suffix], dim=1))
        embedded = torch.cat([self.prefix.expand(count, -1, -1), contexts, suffix], dim=1)
        length = embedded.shape[1]
        return tower(embedded, torch.full((count,), length - 1, device=embedded.device), length)

    def _prefixed(self) -> PrefixedText:
        """The tower with the template's first tokens computed, once for each device and type the bank is moved to."""
        place = (self.prefix.device, self.prefix.dtype)
        if self._read is None or self._read[0] != place:
            self._read = place, PrefixedText(self._tower[0], self.prefix)
        return self._read[1]


@cache
def clip_tokenizer(context_length: int = 77) -> SimpleTokenizer:
    """CLIP's tokenizer; reading its 49408 words takes a tenth of a second, so each is made once."""
    return SimpleTokenizer(context_length=context_length)


def template_tokens(template: str, tokens: int, context_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids before (with start of text) and after (with end of text) the learnable tokens of a template.

    Raises:
        ValueError: the prompt is longer than the text tower's context.
    """
    tokenizer = clip_tokenizer()
    left, right = template.split("{}")
    before = [tokenizer.sot_token_id, *tokenizer.encode(left)]
    after = [*tokenizer.encode(right), tokenizer.eot_token_id]
    total = len(before) + tokens + len(after)
    if total > context_length:
        raise ValueError(
            f"prompts: template and {tokens} tokens need {total} positions, but the text tower has {context_length}"
        )
    return torch.tensor(before), torch.tensor(after)
