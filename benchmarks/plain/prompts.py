"""Stage 1 as the structure of the authors' code implies it: whole contexts through a tower that keeps its gradients."""

import torch
from torch import nn

from benchmarks.plain.losses import contrastive
from csdn.models.prompts import template_tokens


class PlainPrompts(nn.Module):
    """Prompts of all positions of the context, those after the end of text included, through the whole text tower."""

    def __init__(self, clip, contexts, template="A photo of a {} person."):
        super().__init__()
        self.clip = clip
        self.contexts = nn.Parameter(contexts.clone())
        before, after = template_tokens(template, contexts.shape[2], clip.context_length)
        padding = torch.zeros(clip.context_length - len(before) - contexts.shape[2] - len(after), dtype=torch.long)
        with torch.no_grad():
            self.prefix = clip.token_embedding(before)
            self.suffix = clip.token_embedding(torch.cat([after, padding]))
        self.end = len(before) + contexts.shape[2] + len(after) - 1

    def forward(self, bank, labels):
        """Text features (N, embed) of identities `labels` in `bank`."""
        contexts = self.contexts[min(bank, len(self.contexts) - 1)][labels]
        count = len(labels)
        x = torch.cat([self.prefix.expand(count, -1, -1), contexts, self.suffix.expand(count, -1, -1)], dim=1)
        x = self.clip.transformer(x + self.clip.positional_embedding, attn_mask=self.clip.attn_mask)
        return self.clip.ln_final(x)[torch.arange(count), self.end] @ self.clip.text_projection


def prompt_step(prompts, optimizer, features, labels):
    """One step on image features (2 N, embed), visible before infrared; returns the loss."""
    texts = torch.cat([prompts(0, labels), prompts(1, labels)])
    loss = contrastive(features, texts, labels.repeat(2))
    prompts.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def fusion_step(prompts, fusion, optimizer, features, labels):
    """One step of the fusion: the descriptions of the batch are computed anew from prompts and tower."""
    fused = fusion(prompts(0, labels), prompts(1, labels))
    loss = contrastive(features, fused, labels)
    prompts.zero_grad()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
