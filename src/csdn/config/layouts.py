"""The datasets whose layouts are read: their cameras, and what a complete copy of each holds."""

from __future__ import annotations

from typing import Literal, NamedTuple

from csdn.config.base import Layout, Subset

Modality = Literal["visible", "infrared"]
MODALITIES: tuple[Modality, ...] = ("visible", "infrared")

_PLACES = (1, 2, 3, 4, 5, 6, 7, 8, 9)  # of LLCM; the third has no near-infrared camera
CAMERAS: dict[Layout, dict[Modality, tuple[int, ...]]] = {
    "sysu_mm01": {"visible": (1, 2, 4, 5), "infrared": (3, 6)},
    "regdb": {"visible": (1,), "infrared": (2,)},
    "llcm": {"visible": _PLACES, "infrared": tuple(place for place in _PLACES if place != 3)},
}

FILE_NAMES: dict[Layout, dict[Modality, str]] = {  # how lists and folders call the modalities
    "regdb": {"visible": "visible", "infrared": "thermal"},
    "llcm": {"visible": "vis", "infrared": "nir"},
}


class OfficialCount(NamedTuple):
    """How many identities, images, or pairs of identity and camera some subsets hold, of one modality or of both."""

    name: str
    of: Literal["identities", "images", "identities and cameras"]
    modality: Modality | None
    subsets: tuple[Subset, ...]
    expected: int


OFFICIAL_COUNTS: dict[Layout, tuple[OfficialCount, ...]] = {
    "sysu_mm01": (
        OfficialCount("training identities (train and val)", "identities", None, ("train", "val"), 395),
        OfficialCount("visible training images", "images", "visible", ("train", "val"), 22258),
        OfficialCount("infrared training images", "images", "infrared", ("train", "val"), 11909),
        OfficialCount("test identities", "identities", None, ("test",), 96),
        OfficialCount("query images", "images", "infrared", ("test",), 3803),
        OfficialCount("single-shot gallery images (all search)", "identities and cameras", "visible", ("test",), 301),
    ),
    "regdb": (
        OfficialCount("training identities", "identities", None, ("train",), 206),
        OfficialCount("visible training images", "images", "visible", ("train",), 2060),
        OfficialCount("infrared training images", "images", "infrared", ("train",), 2060),
        OfficialCount("test identities", "identities", None, ("test",), 206),
        OfficialCount("visible test images", "images", "visible", ("test",), 2060),
        OfficialCount("infrared test images", "images", "infrared", ("test",), 2060),
    ),
    "llcm": (
        OfficialCount("training identities", "identities", None, ("train",), 713),
        OfficialCount("test identities", "identities", None, ("test",), 351),
    ),
}


def camera_modalities(layout: Layout) -> dict[int, Modality]:
    """Modality of each camera of a layout whose cameras take one kind of image, in the order of their numbers."""
    return dict(sorted((camera, kind) for kind, cameras in CAMERAS[layout].items() for camera in cameras))


def official_training_identities(layout: Layout) -> int:
    """How many identities the official dataset trains on."""
    return OFFICIAL_COUNTS[layout][0].expected
