"""The text tower against the authors' numbers, and the descriptions that are learned before it."""

import numpy as np
import pytest
import torch
from open_clip.model import CLIP

from csdn.models.clip_backbone import create_clip
from csdn.models.prompts import PromptBank, TextTower, template_tokens
from helpers.reference_losses import FIXTURES, parameters
from helpers.tiny_clip import small_sizes

TINY = small_sizes(context_length=20)


def test_text_tower_matches_the_reference():
    with np.load(FIXTURES / "text_tower_tiny.npz") as a:
        clip = CLIP(
            embed_dim=24,
            vision_cfg={"layers": [1, 1, 1, 1], "width": 16, "image_size": 64},
            text_cfg={"context_length": 77, "vocab_size": 49408, "width": 32, "heads": int(a["heads"]), "layers": 2},
            quick_gelu=True,
        )
        clip.load_state_dict(parameters(a), strict=False)
        contexts = torch.tensor(a["ctx"], requires_grad=True)
        rows = torch.tensor(a["labels"])
        prefix, suffix = (torch.tensor(a[name]).expand(len(rows), -1, -1) for name in ("prefix", "suffix"))
        embedded = torch.cat([prefix, contexts[rows], suffix], dim=1)
        y = TextTower(clip)(embedded, torch.full((len(rows),), int(a["eot_index"][0])))
        (y * torch.tensor(a["w"])).sum().backward()
        np.testing.assert_allclose(y.detach().numpy(), a["y"], rtol=1e-5, atol=2e-6)
        np.testing.assert_allclose(contexts.grad.numpy(), a["grad_ctx"], rtol=1e-4, atol=2e-5)


def test_cutting_after_the_end_of_text_changes_nothing():
    torch.manual_seed(0)
    clip = create_clip(TINY, (64, 32)).eval()
    tower = TextTower(clip)
    tokens = torch.zeros(2, 20, dtype=torch.long)
    tokens[0, :5] = torch.tensor([49406, 320, 1125, 269, 49407])
    tokens[1, :3] = torch.tensor([49406, 320, 49407])
    assert torch.allclose(tower.encode_tokens(tokens), clip.encode_text(tokens), atol=1e-6)


def test_only_the_contexts_of_a_prompt_bank_are_trained():
    tower = TextTower(create_clip(TINY, (64, 32)).requires_grad_(False))
    make = dict(tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
    bank = PromptBank(tower, banks=2, identities=6, **make)
    assert [name for name, _ in bank.named_parameters()] == ["contexts"]
    bank(1, torch.tensor([2, 2, 5])).sum().backward()
    touched = bank.contexts.grad.abs().sum((2, 3)) > 0
    assert touched.nonzero().tolist() == [[1, 2], [1, 5]]
    shared = PromptBank(tower, banks=1, identities=6, **make)
    assert torch.equal(shared(0, torch.tensor([3])), shared(1, torch.tensor([3])))


def test_template_tokens_are_clips():
    before, after = template_tokens("A photo of a {} person.", 4, 77)
    assert before.tolist() == [49406, 320, 1125, 539, 320]
    assert after.tolist() == [2533, 269, 49407]
    with pytest.raises(ValueError, match="positions"):
        template_tokens("A photo of a {} person.", 80, 77)


@pytest.mark.parametrize("banks", [1, 2])
def test_both_modalities_at_once_are_each_of_them(banks):
    tower = TextTower(create_clip(TINY, (64, 32)).requires_grad_(False).eval())
    make = dict(tokens=2, template="A {} person.", generator=torch.Generator().manual_seed(0))
    bank = PromptBank(tower, banks=banks, identities=5, **make)
    with torch.no_grad():
        bank.contexts.mul_(50)  # so that identities differ
        rows = torch.tensor([4, 0, 4, 2])
        torch.testing.assert_close(bank.both(rows), torch.cat([bank(0, rows), bank(1, rows)]), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(bank(0, rows)[0], bank(0, rows)[1], atol=1e-3)


def test_the_first_contexts_are_the_generators_and_small():
    tower = TextTower(create_clip(TINY, (64, 32)))
    one, other, third = (
        PromptBank(tower, banks=2, identities=40, tokens=4, template="{}", generator=torch.Generator().manual_seed(n))
        for n in (0, 0, 1)
    )
    assert torch.equal(one.contexts, other.contexts) and not torch.equal(one.contexts, third.contexts)
    assert one.contexts.std().item() == pytest.approx(0.02, rel=0.1)
