"""A file of the small CLIP holds the words it has learned, and no other word passes for one of them."""

import pytest
import torch

from csdn.errors import UserError
from csdn.models.prompts import template_tokens
from csdn.models.small_clip import IDS, TABLE, VOCABULARY, check_words, with_unknown_words, without_unknown_words


def state_that_knows(*ids):
    table = torch.full((VOCABULARY, 2), torch.nan)
    table[list(ids)] = torch.arange(2.0 * len(ids)).reshape(-1, 2)
    return {TABLE: table, "logit_scale": torch.tensor(1.0)}


def test_a_file_holds_only_known_rows_and_gives_the_table_back():
    whole = state_that_knows(5, 40_000, VOCABULARY - 1)
    cut = without_unknown_words(whole)
    assert cut[TABLE].shape == (3, 2) and cut[IDS].tolist() == [5, 40_000, VOCABULARY - 1]
    torch.testing.assert_close(with_unknown_words(cut)[TABLE], whole[TABLE], equal_nan=True, rtol=0, atol=0)


def test_a_whole_table_stays_as_it_is():
    whole = {TABLE: torch.ones(VOCABULARY, 2)}
    assert with_unknown_words(whole)[TABLE] is whole[TABLE]


def test_an_unknown_word_is_named():
    before, after = template_tokens("A photo of a {} zebra.", 4, 77)
    words = torch.cat([before, after])
    table = torch.nn.Embedding(VOCABULARY, 2)
    check_words(words, table, "prompts.template")
    with torch.no_grad():
        table.weight[after[0]] = torch.nan
    with pytest.raises(UserError, match=r"^prompts\.template: the small CLIP has learned no word 'zebra'; use words"):
        check_words(words, table, "prompts.template")
