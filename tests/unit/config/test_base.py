"""What all sections have in common."""

import json

import pytest
from pydantic import ValidationError

from csdn.config.base import score_name
from csdn.config.encoder import Encoder
from csdn.config.evaluation import Evaluation
from csdn.config.prompts import Prompts


def test_a_default_and_the_same_value_written_out_are_equal_as_json():
    written = {"warmup_epochs": 10, "erase": 0.5}
    default = Encoder().model_dump(mode="json")
    again = Encoder(warmup_epochs=written["warmup_epochs"]).model_dump(mode="json")
    assert json.dumps(default) == json.dumps(again)


def test_unknown_keys_are_refused():
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Prompts(token=3)


@pytest.mark.parametrize(
    "section",
    [{"epochs": True}, {"warmup_epochs": False}, {"gradient_clip": True}, {"milestones": [40, True]}],
)
def test_yes_and_no_are_no_numbers(section):
    (key,) = section
    with pytest.raises(ValidationError, match=rf"{key}(\.1)?\n.*unable to parse string"):
        Encoder(**section)
    assert Evaluation(flip=True).flip is True


def test_files_of_scores_are_named_after_all_that_changes_them():
    names = [score_name("p", gallery, reranked) for gallery in (None, "agw", "official") for reranked in (False, True)]
    assert names == ["p", "p-reranked", "p", "p-reranked", "p-official", "p-official-reranked"]
