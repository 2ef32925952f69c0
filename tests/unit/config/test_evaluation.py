"""The section evaluation: protocols that exist, and re-ranking only where it is asked for."""

import pytest
from pydantic import ValidationError

from csdn.config.base import PROTOCOLS
from csdn.config.evaluation import Evaluation


def test_every_protocol_of_every_layout_may_be_named_and_no_other():
    names = [name for names in PROTOCOLS.values() for name in names]
    assert Evaluation(protocols=names).protocols == names
    with pytest.raises(ValidationError, match="unknown protocol 'sysu_all'; known: sysu_all_single, sysu_all_multi"):
        Evaluation(protocols=["sysu_all"])
    with pytest.raises(ValidationError, match="protocols"):
        Evaluation(protocols=[])


def test_an_empty_mapping_re_ranks_with_its_authors_constants():
    assert Evaluation().reranking is None
    reranking = Evaluation(reranking={}).reranking
    assert (reranking.k1, reranking.k2, reranking.original_weight) == (20, 6, 0.3)  # Zhong et al., section 4.1
