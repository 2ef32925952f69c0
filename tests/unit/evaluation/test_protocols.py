"""Queries, galleries and ignored images: the reference's lists in order, and rules the field agrees on."""

import json
from pathlib import Path

import numpy as np
import pytest

from csdn.config.base import PROTOCOLS
from csdn.data import regdb, sysu_mm01
from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.evaluation.protocols import (
    PROTOCOL_TABLE,
    find_protocol,
    llcm_gallery,
    llcm_ignore,
    llcm_query,
    sysu_gallery,
    sysu_ignore,
    sysu_query,
)

FIXTURES = Path(__file__).parents[2] / "fixtures"
MODES = ("all", "indoor")


@pytest.fixture(scope="module")
def records(fake_sysu):
    return sysu_mm01.read_records(fake_sysu)


@pytest.fixture(scope="module")
def expected():
    return json.loads((FIXTURES / "fake_sysu_expected.json").read_text())


def assert_lists_equal(images, expected):
    assert [f"fake_sysu/{image.path}" for image in images] == expected["paths"]
    assert [image.person_id for image in images] == expected["pids"]
    assert [image.camera_id for image in images] == expected["cams"]


@pytest.mark.parametrize("mode", MODES)
def test_sysu_queries_are_the_reference_s(records, expected, mode):
    assert_lists_equal(sysu_query(records, mode), expected["query"][mode])


@pytest.mark.parametrize("trial", range(10))
@pytest.mark.parametrize("mode", MODES)
def test_sysu_galleries_are_the_reference_s(records, expected, mode, trial):
    single = expected["gallery_single"][mode][str(trial)]
    several = expected["gallery_multi_numpy_seed_equals_trial"][mode][str(trial)]
    assert_lists_equal(sysu_gallery(records, mode, 1, trial), single)
    assert_lists_equal(sysu_gallery(records, mode, 10, trial), several)


def test_galleries_do_not_depend_on_the_order_of_the_records_or_on_global_generators(records):
    shuffled = [records[i] for i in np.random.default_rng(0).permutation(len(records))]
    np.random.seed(7)  # noqa: NPY002 - the point of the test
    assert sysu_gallery(shuffled, "all", 10, 3) == sysu_gallery(records, "all", 10, 3)
    assert sysu_gallery(shuffled, "all", 1, 3) == sysu_gallery(records, "all", 1, 3)


def test_multi_shot_takes_all_images_of_a_small_folder():
    images = [ImageRecord(f"cam1/0001/{n:04d}.jpg", 1, 1, "visible", "test") for n in range(1, 5)]
    assert sorted(image.path for image in sysu_gallery(images, "all", 10, 0)) == [image.path for image in images]


def permutations_of(records, trials=10):
    """As `rand_perm_cam.mat` is read: (6, 1) cells of (identities, 1) cells of (trials, images) numbers."""
    generator = np.random.default_rng(0)
    persons = max(record.person_id for record in records)
    cameras = np.empty((6, 1), object)
    for camera in range(1, 7):
        cells = np.empty((persons, 1), object)
        for person in range(1, persons + 1):
            numbers = [int(Path(r.path).stem) for r in records if r.camera_id == camera and r.person_id == person]
            drawn = [generator.permutation(numbers) for _ in range(trials)]
            cells[person - 1, 0] = np.array(drawn, dtype=np.uint8).reshape(trials, len(numbers))
        cameras[camera - 1, 0] = cells
    return cameras


@pytest.mark.parametrize("shots", [1, 10])
@pytest.mark.parametrize(("mode", "cameras"), [("all", (1, 2, 4, 5)), ("indoor", (1, 2))])
def test_official_galleries_follow_the_permutations(records, mode, cameras, shots):
    permutations = permutations_of(records)
    persons = sorted({r.person_id for r in records if r.subset == "test"})
    wanted = [
        f"cam{camera}/{person:04d}/{number:04d}.jpg"
        for camera in cameras
        for person in persons
        for number in permutations[camera - 1][0].squeeze()[person - 1][4][:shots]
    ]
    gallery = sysu_gallery(records, mode, shots, 4, permutations=permutations)
    assert [image.path for image in gallery] == wanted


def test_official_galleries_name_what_is_wrong(records):
    with pytest.raises(UserError, match=r"rand_perm_cam.mat: has no permutation for camera 1, identity 2, trial 9"):
        sysu_gallery(records, "all", 1, 9, permutations=permutations_of(records, trials=9))
    fewer = [record for record in records if record.path != "cam1/0002/0019.jpg"]
    with pytest.raises(UserError, match=r"names cam1/0002/0019, which is not an image"):
        sysu_gallery(fewer, "all", 99, 0, permutations=permutations_of(records))


@pytest.mark.parametrize(("mode", "shots", "trial"), [("outdoor", 1, 0), ("all", 0, 0), ("all", 1, 10), ("all", 1, -1)])
def test_sysu_galleries_refuse_what_does_not_exist(records, mode, shots, trial):
    with pytest.raises(ValueError, match="expected"):
        sysu_gallery(records, mode, shots, trial)


def test_a_query_of_camera_3_ignores_camera_2():
    expected = [[False, True, False, False], [False, False, False, False]]
    assert sysu_ignore([3, 6], [1, 2, 4, 5]).tolist() == expected


@pytest.mark.parametrize("split", ["1", "2"])
def test_regdb_lists_are_the_reference_s(split, fake_regdb):
    expected = json.loads((FIXTURES / "fake_regdb_expected.json").read_text())["test"]
    records = regdb.read_records(fake_regdb, split)
    lists = {"visible": expected[f"visible_{split}"], "infrared": expected[f"thermal_{split}"]}
    for name in PROTOCOLS["regdb"]:
        protocol = find_protocol(name)
        for images, modality in (
            (protocol.query(records), protocol.query_modality),
            (protocol.gallery(records, 0), protocol.gallery_modality),
        ):
            assert [f"fake_regdb/{image.path}" for image in images] == lists[modality]["paths"]
            persons = sorted({image.person_id for image in images})
            assert [persons.index(image.person_id) for image in images] == lists[modality]["labels"]


def llcm_images():
    generator = np.random.default_rng(1)
    return [
        ImageRecord(f"test_{name}/cam{camera}/{person:04d}/{image:04d}.jpg", person, camera, modality, "test")
        for name, modality, cameras in (("vis", "visible", range(1, 10)), ("nir", "infrared", (1, 2, 4, 5, 6, 7, 8, 9)))
        for person in (3, 11, 200)
        for camera in cameras
        for image in range(generator.integers(0, 5))
    ]


def test_llcm_asks_with_every_image_and_draws_one_of_each_identity_and_camera():
    import random

    records = llcm_images()
    assert llcm_query(records, "visible") == [record for record in records if record.modality == "visible"]
    for trial in (0, 9):
        random.seed(trial)
        wanted, folders = [], {}
        for record in records:
            if record.modality == "infrared":
                folders.setdefault((record.person_id, record.camera_id), []).append(record)
        for key in sorted(folders):
            wanted.append(random.choice(folders[key]))
        assert llcm_gallery(records, "infrared", trial) == wanted


def test_llcm_ignores_the_same_identity_in_the_same_camera():
    found = llcm_ignore([1, 2], [4, 4], [1, 1, 2], [4, 5, 4])
    assert found.tolist() == [[True, False, False], [False, False, True]]


def test_the_table_holds_the_protocols_of_the_configuration():
    assert {name: protocol.layout for name, protocol in PROTOCOL_TABLE.items()} == {
        name: layout for layout, names in PROTOCOLS.items() for name in names
    }
    with pytest.raises(UserError, match="unknown protocol 'sysu'; known: sysu_all_single"):
        find_protocol("sysu")
