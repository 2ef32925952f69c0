import numpy as np
import pytest

from csdn.data.vectors import unit_vectors


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_have_length_one_and_zeros_stay(kind):
    vectors = np.random.default_rng(0).normal(size=(6, 5)).astype(kind)
    vectors[1] = 0
    vectors[2] *= 1e-15
    units = unit_vectors(vectors)
    assert units.dtype == kind
    assert np.allclose(np.linalg.norm(units, axis=1), [1, 0, 1, 1, 1, 1])
    for row in (0, 2, 5):
        assert np.allclose(units[row], vectors[row] / np.sqrt((vectors[row].astype(float) ** 2).sum()))


def test_another_precision_and_no_rows():
    assert unit_vectors(np.ones((2, 3), np.float16), np.float32).dtype == np.float32
    assert unit_vectors(np.empty((0, 3))).shape == (0, 3)
