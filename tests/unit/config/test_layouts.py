"""The official layouts."""

from typing import get_args

from csdn.config.base import PROTOCOLS, Layout
from csdn.config.layouts import CAMERAS, OFFICIAL_COUNTS, camera_modalities, official_training_identities


def test_cameras_come_by_their_numbers_each_with_its_modality():
    assert list(camera_modalities("sysu_mm01").items()) == [
        *((1, "visible"), (2, "visible"), (3, "infrared")),
        *((4, "visible"), (5, "visible"), (6, "infrared")),
    ]
    assert camera_modalities("regdb") == {1: "visible", 2: "infrared"}


def test_every_layout_has_cameras_counts_and_protocols():
    for table in (CAMERAS, OFFICIAL_COUNTS, PROTOCOLS):
        assert set(table) == set(get_args(Layout))


def test_training_identities_are_those_of_the_official_lists():
    found = {layout: official_training_identities(layout) for layout in get_args(Layout)}
    assert found == {"sysu_mm01": 395, "regdb": 206, "llcm": 713}
