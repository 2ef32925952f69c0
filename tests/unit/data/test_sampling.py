"""The samplers: the authors' draws, and what every batch must hold."""

from pathlib import Path

import numpy as np
import pytest

from csdn.data.sampling import batches_in_epoch, fixed_pair_batches, identity_batches, paired_batches
from csdn.errors import UserError

ARRAYS = np.load(Path(__file__).parents[2] / "fixtures" / "sampler.npz")


@pytest.mark.parametrize("case", ["c0", "c1", "c2"])
def test_identity_sampler_draws_as_the_reference(case):
    a = {key.removeprefix(f"{case}_"): ARRAYS[key] for key in ARRAYS.files if key.startswith(f"{case}_")}
    rng = np.random.RandomState(int(a["numpy_seed"]))
    batches = identity_batches(a["color_labels"], a["thermal_labels"], int(a["ids_per_batch"]), int(a["num_pos"]), rng)
    visible, infrared = zip(*batches, strict=True)
    np.testing.assert_array_equal(np.concatenate(visible), a["index_color"])
    np.testing.assert_array_equal(np.concatenate(infrared), a["index_thermal"])


def test_batches_hold_distinct_identities_seen_in_both_modalities():
    visible, infrared = np.repeat(np.arange(9), 3), np.repeat(np.arange(2, 11), 4)
    batches = list(identity_batches(visible, infrared, 4, 2, np.random.default_rng(0)))
    assert len(batches) == batches_in_epoch(len(visible), len(infrared), 8) == 36 // 8 + 1
    for rows_visible, rows_infrared in batches:
        labels = visible[rows_visible]
        np.testing.assert_array_equal(labels, infrared[rows_infrared])
        assert len(np.unique(labels)) == 4
        assert labels.min() >= 2


def test_too_few_identities_are_refused():
    with pytest.raises(UserError, match=r"encoder\.identities"):
        list(identity_batches(np.array([0, 1]), np.array([0, 1]), 4, 2, np.random.default_rng(0)))


@pytest.mark.parametrize("swap", [False, True])
def test_stage_one_pairs_images_of_one_person(swap):
    longer, shorter = np.repeat(np.arange(8), 5), np.repeat(np.arange(8), 2)
    visible, infrared = (shorter, longer) if swap else (longer, shorter)
    seen = []
    for rows_visible, rows_infrared in paired_batches(visible, infrared, 16, np.random.default_rng(1)):
        np.testing.assert_array_equal(visible[rows_visible], infrared[rows_infrared])
        assert len(rows_visible) == 16
        seen.append(rows_infrared if swap else rows_visible)
    drawn = np.concatenate(seen)
    assert len(seen) == 40 // 16
    assert len(np.unique(drawn)) == len(drawn)


@pytest.mark.parametrize("pairs", [64, 70])
def test_fixed_pairs_stay_together_and_each_comes_once(pairs):
    batches = list(fixed_pair_batches(pairs, 32, np.random.default_rng(0)))
    assert [len(visible) for visible, _ in batches] == [32, 32, 6][: -(-pairs // 32)]
    assert all(np.array_equal(visible, infrared) for visible, infrared in batches)
    order = np.concatenate([visible for visible, _ in batches])
    assert sorted(order) == list(range(pairs)) != list(order)
