"""The section datasets."""

import pytest
from pydantic import ValidationError

from csdn.config.datasets import Dataset


def test_splits_may_be_written_as_numbers():
    assert Dataset(layout="regdb", splits=[1, 10]).splits == ["1", "10"]


@pytest.mark.parametrize(
    ("layout", "split", "known"),
    [("regdb", "11", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"), ("llcm", "011", "default, or draws 1 to 9999")],
)
def test_a_split_that_the_layout_lacks_is_told_with_those_it_has(layout, split, known):
    with pytest.raises(ValidationError, match=rf"splits \['{split}'\] do not exist in layout {layout}; known: {known}"):
        Dataset(layout=layout, splits=[split])


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(ValidationError) as caught:
        Dataset(layout="regdb", splits=["1", 1], seeds=[3, 3], train_subsets=["val"])
    told = str(caught.value)
    for line in ("splits lists one of ['1', '1'] twice", "seeds lists one of [3, 3] twice", "must include `train`"):
        assert line in told


def test_draws_are_the_numbered_splits_of_an_embedded_dataset_whose_layout_numbers_none():
    assert Dataset(layout="sysu_mm01", splits=[3, 20]).has_draws and Dataset(layout="llcm", splits=["1"]).has_draws
    assert not Dataset(layout="sysu_mm01").has_draws and not Dataset(layout="regdb", splits=[1, 2]).has_draws
