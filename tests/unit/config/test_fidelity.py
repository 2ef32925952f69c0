"""The section fidelity: a preset by its name, or switches."""

import pytest
from pydantic import ValidationError

from csdn.config.fidelity import Fidelity


def test_switches_may_be_given_instead_of_the_preset():
    own = Fidelity.model_validate({"stem": "reference"})
    assert (own.stem, own.fusion_mode) == ("reference", "evaluation")
    assert Fidelity.model_validate("reference").fusion_mode == "training"


@pytest.mark.parametrize("value", ["clip", "", "Reference"])
def test_a_name_of_no_preset_is_told_with_those_there_are(value):
    with pytest.raises(ValidationError, match=f"must be reference, or a mapping of switches, not {value!r}"):
        Fidelity.model_validate(value)


def test_fixed_pairs_without_the_sampler_are_refused():
    with pytest.raises(ValidationError, match=r"stage_one_pairs: .*set stage_one_images to sampler"):
        Fidelity.model_validate({"stage_one_pairs": "fixed"})
    assert Fidelity.model_validate("reference").stage_one_pairs == "fixed"
