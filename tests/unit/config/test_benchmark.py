"""The section benchmark: what a layout cannot hold is refused."""

import pytest
from pydantic import ValidationError

from csdn.config.benchmark import Benchmark

EVEN = {"train": 4, "test": 4, "train_images": 2, "test_images": 2}


@pytest.mark.parametrize("uneven", [{"train": 5}, {"train_images": 3}, {"val": 1}, {"infrared_factor": 2}])
def test_regdbs_splits_swap_their_halves_so_these_must_be_alike(uneven):
    Benchmark(regdb=EVEN)
    with pytest.raises(ValidationError, match="regdb: splits swap the two halves"):
        Benchmark(regdb=EVEN | uneven)
    Benchmark(sysu_mm01=EVEN | uneven)  # this one has lists of its own


def test_llcm_has_no_validation_identities():
    with pytest.raises(ValidationError, match=r"llcm\.val: the LLCM layout has no validation identities"):
        Benchmark(llcm=EVEN | {"val": 1})
