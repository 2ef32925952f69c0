"""Reader of LLCM in its official layout."""

from __future__ import annotations

import re
from pathlib import Path

from csdn.data.layout_files import (
    check_disjoint,
    check_labels,
    identity_of_folder,
    list_images,
    read_identities,
    read_labels,
    require,
    require_images,
)
from csdn.data.records import ImageRecord, Modality
from csdn.errors import UserError

LAYOUT = (
    "the LLCM layout idx/{train_vis,train_nir,test_id}.txt, test_vis/cam1..cam9/<4-digit identity>/ "
    "and test_nir/cam{1,2,4..9}/<4-digit identity>/"
)
MODALITIES: tuple[tuple[str, Modality], ...] = (("vis", "visible"), ("nir", "infrared"))
TEST_CAMERAS = {"vis": (1, 2, 3, 4, 5, 6, 7, 8, 9), "nir": (1, 2, 4, 5, 6, 7, 8, 9)}


def read_records(root: Path | str) -> list[ImageRecord]:
    """Images of LLCM: train visible and train near-infrared in their lists' order, then the test images.

    Test images come visible first, then near-infrared; in each, identities ascending, then cameras, then file names.
    The identity is the folder's number; the camera of a training image stands in its path (`cam4/`) or in its name
    (`0001_c04_...`).

    Args:
        root: folder that holds `idx`, `test_vis`, `test_nir` and the training images that the lists name.

    Raises:
        UserError: a list, a camera folder or a listed image is missing, a line is malformed, labels contradict the
            folders, or train and test share identities.
    """
    root = Path(root)
    folders = [f"test_{name}/cam{camera}" for name, _ in MODALITIES for camera in TEST_CAMERAS[name]]
    require(root, folders, ["idx/train_vis.txt", "idx/train_nir.txt", "idx/test_id.txt"], LAYOUT)
    train, identities = _read_train(root), read_identities(root / "idx" / "test_id.txt")
    names = ("train_{vis,nir}.txt", "test_id.txt")
    check_disjoint({record.person_id for record in train}, set(identities), names, root / "idx")
    return train + _read_test(root, identities)


def _read_train(root: Path) -> list[ImageRecord]:
    records, labelled = [], []
    for name, modality in MODALITIES:
        where = f"{root / 'idx'}/train_{name}.txt"
        rows = read_labels(Path(where))
        require_images(root, [path for path, _ in rows], where)
        for path, label in rows:
            person_id = identity_of_folder(path, where)
            labelled.append((person_id, label))
            records.append(ImageRecord(path, person_id, _camera_of(path, where), modality, "train"))
    check_labels(labelled, f"{root / 'idx'}/train_{{vis,nir}}.txt")
    return records


def _read_test(root: Path, identities: list[int]) -> list[ImageRecord]:
    records = []
    for name, modality in MODALITIES:
        for person_id in identities:
            for camera_id in TEST_CAMERAS[name]:
                prefix = f"test_{name}/cam{camera_id}/{person_id:04d}"
                if (root / prefix).is_dir():
                    records += [
                        ImageRecord(f"{prefix}/{image}", person_id, camera_id, modality, "test")
                        for image in list_images(root / prefix)
                    ]
        if not any(record.modality == modality for record in records):
            raise UserError(f"{root}/test_{name}: no image of an identity of idx/test_id.txt; expected {LAYOUT}")
    return records


def _camera_of(path: str, where: str) -> int:
    found = re.search(r"(?:^|/)cam(\d+)/", path) or re.search(r"_c(\d+)_[^/]*$", path)
    if not found:
        raise UserError(
            f"{where}: {path!r} names no camera; expected cam<number>/ in the path or _c<number>_ in the name"
        )
    return int(found[1])
