"""Who is photographed by which camera, and in which file."""

from collections import Counter

import pytest

from csdn.config.benchmark import Benchmark
from csdn.synthetic.shot_lists import llcm_shots, pretraining_shots, regdb_halves, regdb_shots, sysu_mm01_shots
from helpers.tiny_benchmark import TINY


def test_regdb_splits_differ_at_full_size():
    assert len({tuple(regdb_halves(Benchmark(), split)[0]) for split in range(1, 11)}) == 10


def test_numbers_are_shuffled_over_the_subsets():
    shots = [(s.person_id, s.subset) for s in sysu_mm01_shots(Benchmark())]
    train = {person for person, subset in shots if subset == "train"}
    assert len(train) == Benchmark().sysu_mm01.train
    assert max(train) > 1.2 * len(train)


@pytest.mark.parametrize("shots_of", [sysu_mm01_shots, regdb_shots, llcm_shots])
def test_every_image_has_a_file_and_a_name_of_its_own(shots_of):
    shots = shots_of(TINY)
    for key in (lambda s: s.path, lambda s: (s.identity_key, s.camera_key, s.spectrum, s.number)):
        assert len({key(shot) for shot in shots}) == len(shots)
    assert {(s.modality == "visible") == (s.spectrum == "visible") for s in shots} == {True}


def test_counts_are_identities_times_cameras_times_images():
    """SYSU-MM01: 4 x 1 + 5 x 2 images in each of 4 visible cameras, twice as many in each of 2 infrared ones."""
    count = Counter(shot.camera_id for shot in sysu_mm01_shots(TINY))
    assert count == {1: 14, 2: 14, 4: 14, 5: 14, 3: 28, 6: 28}
    assert len(regdb_shots(TINY)) == 6 * 2 * 2
    assert Counter(shot.modality for shot in llcm_shots(TINY)) == {"visible": 5 * 9, "infrared": 5 * 8}


def test_keys_of_people_do_not_depend_on_how_many_there_are():
    more = TINY.model_copy(update={"sysu_mm01": TINY.sysu_mm01.model_copy(update={"train": 9, "val": 0})})
    keys = [{s.identity_key for s in sysu_mm01_shots(b) if s.subset == "test"} for b in (TINY, more)]
    assert keys[0] == keys[1] == {f"sysu_mm01/test/{n}" for n in (1, 2, 3)}


def test_halves_of_regdb_are_whole_and_disjoint():
    for split in (1, 2, 10):
        train, test = regdb_halves(TINY, split)
        assert (len(train), sorted(train + test)) == (3, [1, 2, 3, 4, 5, 6])
        assert regdb_halves(TINY, split) == (train, test)


def test_a_person_of_the_pretraining_set_meets_every_camera_before_any_twice():
    many = TINY.pretraining.model_copy(update={"images": 5, "infrared": True})
    shots = [s for s in pretraining_shots(TINY.model_copy(update={"pretraining": many})) if s.subset == "train"]
    assert len(shots) == 10 * 2 * 5
    for modality, cameras in (("visible", {1, 2, 3}), ("infrared", {4, 5, 6})):
        own = [s for s in shots if s.person_id == 1 and s.modality == modality]
        assert {s.camera_id for s in own} == cameras
        assert sorted(Counter(s.camera_id for s in own).values()) == [1, 2, 2]
        assert sorted(s.number for s in own) == [1, 1, 1, 2, 2]
