"""The protocols of SYSU-MM01, RegDB and LLCM: queries, galleries, ignored pairs and what the CMC counts.

docs/protocols.md describes them in words.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from csdn.config.layouts import CAMERAS, Modality
from csdn.data.records import ImageRecord
from csdn.errors import UserError
from csdn.evaluation.ranking import IgnoreRule
from csdn.evaluation.ranks import Cmc

Mode = Literal["all", "indoor"]
SYSU_CAMERAS = CAMERAS["sysu_mm01"]
SYSU_GALLERY_CAMERAS: dict[str, tuple[int, ...]] = {"all": SYSU_CAMERAS["visible"], "indoor": (1, 2)}
TRIALS = 10


@dataclass(frozen=True, slots=True)
class Protocol:
    """One evaluation protocol of the field.

    Attributes:
        name: as in `csdn.config.base.PROTOCOLS`.
        layout: "sysu_mm01", "regdb" or "llcm".
        query_modality: modality of the queries; the gallery has the other one.
        cmc: whether the CMC counts identities or images.
        mode: SYSU-MM01 only: which cameras the gallery comes from.
        shots: SYSU-MM01 only: number of gallery images of an identity and camera.
    """

    name: str
    layout: Literal["sysu_mm01", "regdb", "llcm"]
    query_modality: Modality
    cmc: Cmc
    mode: Mode = "all"
    shots: int = 1

    @property
    def gallery_modality(self) -> Modality:
        """Modality of the gallery."""
        return "infrared" if self.query_modality == "visible" else "visible"

    @property
    def draws(self) -> bool:
        """Whether the gallery is drawn at random, so that there are several trials."""
        return self.layout != "regdb"

    def query(self, records: Sequence[ImageRecord]) -> list[ImageRecord]:
        """Queries in the order of the reference implementation."""
        if self.layout == "sysu_mm01":
            return sysu_query(records, self.mode)
        return (regdb_images if self.layout == "regdb" else llcm_query)(records, self.query_modality)

    def gallery(
        self, records: Sequence[ImageRecord], trial: int, *, permutations: NDArray | None = None
    ) -> list[ImageRecord]:
        """Gallery of a trial in the reference's order; with `permutations`, SYSU-MM01's official gallery."""
        if self.layout == "sysu_mm01":
            return sysu_gallery(records, self.mode, self.shots, trial, permutations=permutations)
        if self.layout == "regdb":
            return regdb_images(records, self.gallery_modality)
        return llcm_gallery(records, self.gallery_modality, trial)

    @property
    def ignore(self) -> IgnoreRule | None:
        """Rule for the gallery images that a query ignores (see `retrieval_metrics_from_features`)."""
        return _IGNORE_RULES[self.layout]


def find_protocol(name: str) -> Protocol:
    """The protocol called `name`.

    Raises:
        UserError: there is no such protocol.
    """
    if name not in PROTOCOL_TABLE:
        raise UserError(f"unknown protocol {name!r}; known: {', '.join(PROTOCOL_TABLE)}")
    return PROTOCOL_TABLE[name]


def sysu_query(records: Sequence[ImageRecord], mode: Mode) -> list[ImageRecord]:
    """Queries of SYSU-MM01: every infrared test image of cameras 3 and 6, in both modes.

    They are ordered by identity, then camera, then file name.
    """
    _check_mode(mode)
    return _sorted_images(records, SYSU_CAMERAS["infrared"])


def sysu_gallery(
    records: Sequence[ImageRecord], mode: Mode, shots: int, trial: int, *, permutations: NDArray | None = None
) -> list[ImageRecord]:
    """Gallery of SYSU-MM01 for one trial.

    Without `permutations` it is the `agw` gallery: images are drawn from the sorted images of each identity and camera,
    by ascending identity, then camera. Single-shot: `random.choice` after `random.seed(trial)`. Multi-shot:
    `choice(images, min(shots, n), replace=False)` of one `numpy.random.RandomState(trial)` for all folders.
    With `permutations` it is the `official` gallery, by ascending camera, then identity, of the images whose numbers
    come first in `permutations[camera - 1][0].squeeze()[person_id - 1][trial]`.

    Args:
        records: images of the dataset; only test images are used.
        mode: "all" (cameras 1, 2, 4, 5) or "indoor" (1, 2).
        shots: images of an identity and camera, 1 or 10.
        trial: 0..9.
        permutations: array `rand_perm_cam` of `exp/rand_perm_cam.mat`.

    Raises:
        UserError: `permutations` lacks the trial or an identity, or names an image that does not exist.
        ValueError: `mode`, `shots` or `trial` is out of range.
    """
    _check_mode(mode)
    if shots < 1 or not 0 <= trial < TRIALS:
        raise ValueError(f"shots is {shots} and trial is {trial}; expected at least 1 and 0..{TRIALS - 1}")
    images = _sorted_images(records, SYSU_GALLERY_CAMERAS[mode])
    if permutations is not None:
        return _official_gallery(images, shots, trial, permutations)
    return _draw_one(images, trial) if shots == 1 else _draw_several(images, shots, trial)


def sysu_ignore(query_cameras: ArrayLike, gallery_cameras: ArrayLike) -> NDArray[np.bool_]:
    """(Q, G) True for queries of camera 3 and gallery images of camera 2, which are at the same place."""
    return (np.asarray(query_cameras)[:, None] == 3) & (np.asarray(gallery_cameras)[None, :] == 2)


def regdb_images(records: Sequence[ImageRecord], modality: Modality) -> list[ImageRecord]:
    """All test images of a modality in the order of the split's list: RegDB's queries and galleries."""
    return [record for record in records if record.subset == "test" and record.modality == modality]


def llcm_query(records: Sequence[ImageRecord], modality: Modality) -> list[ImageRecord]:
    """Queries of LLCM: every test image of a modality, ordered by identity, then camera, then file name."""
    return _sorted_images(regdb_images(records, modality))


def llcm_gallery(records: Sequence[ImageRecord], modality: Modality, trial: int) -> list[ImageRecord]:
    """Gallery of LLCM for a trial: one image of each identity and camera, drawn like SYSU-MM01's single-shot `agw`."""
    return _draw_one(llcm_query(records, modality), trial)


def llcm_ignore(
    query_ids: ArrayLike, query_cameras: ArrayLike, gallery_ids: ArrayLike, gallery_cameras: ArrayLike
) -> NDArray[np.bool_]:
    """(Q, G) True if query and gallery image show the same identity in the same camera."""
    same_identity = np.asarray(query_ids)[:, None] == np.asarray(gallery_ids)[None, :]
    return same_identity & (np.asarray(query_cameras)[:, None] == np.asarray(gallery_cameras)[None, :])


def _check_mode(mode: str) -> None:
    if mode not in SYSU_GALLERY_CAMERAS:
        raise ValueError(f'mode is {mode!r}; expected "all" or "indoor"')


def _sorted_images(records: Sequence[ImageRecord], cameras: Sequence[int] | None = None) -> list[ImageRecord]:
    chosen = [r for r in records if r.subset == "test" and (cameras is None or r.camera_id in cameras)]
    return sorted(chosen, key=lambda r: (r.person_id, r.camera_id, r.path.rpartition("/")[2]))


def _folders(images: Sequence[ImageRecord]) -> list[list[ImageRecord]]:
    return [list(group) for _, group in groupby(images, key=lambda r: (r.person_id, r.camera_id))]


def _draw_one(images: Sequence[ImageRecord], trial: int) -> list[ImageRecord]:
    generator = random.Random(trial)  # noqa: S311 - the field's galleries are defined by this generator
    return [generator.choice(folder) for folder in _folders(images)]


def _draw_several(images: Sequence[ImageRecord], shots: int, trial: int) -> list[ImageRecord]:
    generator = np.random.RandomState(trial)
    return [
        folder[position]
        for folder in _folders(images)
        for position in generator.choice(len(folder), min(shots, len(folder)), replace=False)
    ]


def _official_gallery(
    images: Sequence[ImageRecord], shots: int, trial: int, permutations: NDArray
) -> list[ImageRecord]:
    numbered = {(r.camera_id, r.person_id, PurePosixPath(r.path).stem): r for r in images}
    gallery = []
    for camera_id, person_id in sorted({(r.camera_id, r.person_id) for r in images}):
        for number in _permutation(permutations, camera_id, person_id, trial)[:shots]:
            record = numbered.get((camera_id, person_id, f"{int(number):04d}"))
            if record is None:
                raise UserError(
                    f"exp/rand_perm_cam.mat: names cam{camera_id}/{person_id:04d}/{int(number):04d}, which is not an "
                    "image of the dataset; unpack the dataset again, or use gallery: agw"
                )
            gallery.append(record)
    return gallery


def _permutation(permutations: NDArray, camera_id: int, person_id: int, trial: int) -> NDArray:
    try:
        trials: Any = np.asarray(permutations[camera_id - 1][0]).reshape(-1)[person_id - 1]
        return np.asarray(trials[trial]).reshape(-1)
    except (IndexError, TypeError) as error:
        raise UserError(
            f"exp/rand_perm_cam.mat: has no permutation for camera {camera_id}, identity {person_id}, trial {trial}; "
            "use the dataset's own file, or gallery: agw"
        ) from error


def _sysu_rule(query_ids: NDArray, query_cameras: NDArray, gallery_ids: NDArray, gallery_cameras: NDArray) -> NDArray:
    return sysu_ignore(query_cameras, gallery_cameras)


_IGNORE_RULES: dict[str, IgnoreRule | None] = {"sysu_mm01": _sysu_rule, "regdb": None, "llcm": llcm_ignore}

PROTOCOL_TABLE: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("sysu_all_single", "sysu_mm01", "infrared", "identity", "all", 1),
        Protocol("sysu_all_multi", "sysu_mm01", "infrared", "identity", "all", 10),
        Protocol("sysu_indoor_single", "sysu_mm01", "infrared", "identity", "indoor", 1),
        Protocol("sysu_indoor_multi", "sysu_mm01", "infrared", "identity", "indoor", 10),
        Protocol("regdb_visible_to_infrared", "regdb", "visible", "image"),
        Protocol("regdb_infrared_to_visible", "regdb", "infrared", "image"),
        Protocol("llcm_visible_to_infrared", "llcm", "visible", "identity"),
        Protocol("llcm_infrared_to_visible", "llcm", "infrared", "identity"),
    )
}
