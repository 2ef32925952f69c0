"""The section encoder: ranges ascend, and an epoch that is chosen has been validated."""

import pytest
from pydantic import ValidationError

from csdn.config.encoder import Augmentation, Encoder


@pytest.mark.parametrize(("key", "low", "high"), [("erase_area", 0.1, 0.4), ("erase_aspect", 0.3, 3.3)])
def test_a_range_ascends_and_may_be_a_single_value(key, low, high):
    assert getattr(Augmentation(**{key: (low, high)}), key) == (low, high)
    assert getattr(Augmentation(**{key: (low, low)}), key) == (low, low)
    with pytest.raises(ValidationError, match=f"{key}: {high} to {low} is not a range; put the smaller number first"):
        Augmentation(**{key: (high, low)})


@pytest.mark.parametrize("selection", ["best_on_validation", "best_on_test"])
def test_choosing_an_epoch_needs_validations(selection):
    assert Encoder(selection=selection, validate_every=1).selection == selection
    with pytest.raises(ValidationError, match=f"selection {selection} needs validations"):
        Encoder(selection=selection)
