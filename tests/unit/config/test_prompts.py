"""The section prompts: one place for the learnable tokens, and captions that are not learned."""

import pytest
from pydantic import ValidationError

from csdn.config.prompts import Prompts


@pytest.mark.parametrize("template", ["A photo.", "A {} of a {} person.", "A photo of a {0} person."])
def test_a_template_has_one_place_for_the_tokens(template):
    with pytest.raises(ValidationError, match=r"must contain \{\} exactly once"):
        Prompts(template=template)


def test_captions_are_taken_as_they_are():
    assert {kind: Prompts(kind=kind).learned for kind in ("specific", "shared", "caption")} == {
        "specific": True,
        "shared": True,
        "caption": False,
    }
