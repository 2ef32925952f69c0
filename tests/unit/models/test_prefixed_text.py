"""Prompts with a cached beginning against the whole text tower."""

import pytest
import torch

from csdn.models.clip_backbone import create_clip
from csdn.models.prefixed_text import PrefixedText
from csdn.models.prompts import PromptBank, TextTower
from helpers.tiny_clip import small_sizes

TINY = small_sizes(text_layers=3)


@pytest.fixture
def tower() -> TextTower:
    torch.manual_seed(0)
    clip = create_clip(TINY, (32, 16)).double().eval().requires_grad_(False)
    for parameter in clip.transformer.parameters():  # biases and norms that do something
        parameter.add_(0.3 * torch.randn_like(parameter))
    return TextTower(clip)


def bank_of(tower, banks=2) -> PromptBank:
    make = dict(identities=7, tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
    bank = PromptBank(tower, banks=banks, **make).double()
    torch.nn.init.normal_(bank.contexts)
    return bank


def whole(bank, index, rows):
    """The text tower over the whole prompt."""
    contexts = bank.contexts[min(index, len(bank.contexts) - 1)][rows]
    parts = [bank.prefix.expand(len(rows), -1, -1), contexts, bank.suffix.expand(len(rows), -1, -1)]
    embedded = torch.cat(parts, dim=1)
    return bank._tower[0](embedded, torch.full((len(rows),), embedded.shape[1] - 1))


@pytest.mark.parametrize("banks", [1, 2])
def test_features_and_gradients_are_those_of_the_whole_tower(tower, banks):
    bank, rows = bank_of(tower, banks), torch.tensor([4, 0, 4, 6, 1])
    weights = torch.randn(10, 16, dtype=torch.float64)
    assert PrefixedText.reads(tower)
    results = []
    for texts in (
        torch.cat([whole(bank, 0, rows), whole(bank, 1, rows)]),
        torch.cat([bank(0, rows), bank(1, rows)]),
        bank.both(rows),
    ):
        bank.contexts.grad = None
        (texts * weights).sum().backward()
        results.append((texts.detach(), bank.contexts.grad.clone()))
    for texts, gradient in results[1:]:
        torch.testing.assert_close(texts, results[0][0], rtol=1e-11, atol=1e-12)
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-11, atol=1e-12)


def test_a_bank_that_is_converted_reads_its_beginning_again(tower):
    bank, rows = bank_of(tower), torch.arange(7)
    precise = bank(0, rows)
    tower.float(), bank.float()
    assert bank(0, rows).dtype == torch.float32
    torch.testing.assert_close(bank(0, rows).double(), precise, rtol=1e-3, atol=1e-4)


def test_a_tower_that_is_trained_or_built_otherwise_is_read_whole(tower):
    bank, rows = bank_of(tower), torch.arange(3)
    expected = bank(0, rows)
    tower.transformer.resblocks[1].mlp.c_fc.weight.requires_grad_(True)
    assert not PrefixedText.reads(tower)
    bank(0, rows).sum().backward()
    assert tower.transformer.resblocks[1].mlp.c_fc.weight.grad is not None
    torch.testing.assert_close(bank(0, rows), expected, rtol=1e-11, atol=1e-12)
