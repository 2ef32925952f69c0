"""Reader of LLCM in its official layout."""

from __future__ import annotations

import re
from pathlib import Path

from csdn.config import layouts
from csdn.config.layouts import FILE_NAMES
from csdn.data import layout_files
from csdn.data.layout_files import Inspection, Labelled
from csdn.data.records import ImageRecord

LAYOUT = (
    "the LLCM layout idx/{train_vis,train_nir,test_id}.txt, test_vis/cam1..cam9/<4-digit identity>/ "
    "and test_nir/cam{1,2,4..9}/<4-digit identity>/"
)
NAMES, CAMERAS = FILE_NAMES["llcm"], layouts.CAMERAS["llcm"]


def read_records(root: Path | str) -> list[ImageRecord]:
    """Images of LLCM: train visible and train near-infrared in their lists' order, then the test images.

    Visible test images come first, then near-infrared; each by ascending identity, then camera, then file name.
    The identity is the folder's number; the camera of a training image is in its path (`cam4/`) or in its name
    (`0001_c04_...`).

    Args:
        root: folder that holds `idx`, `test_vis`, `test_nir` and the training images that the lists name.

    Raises:
        UserError: a list, a camera folder, or a listed image is missing, a line is malformed, labels
            contradict the folders, or train and test have identities in common.
    """
    return inspect(root).checked()


def inspect(root: Path | str) -> Inspection:
    """Like `read_records`, but returns everything that is wrong instead of raising an error."""
    root, problems = Path(root), list[str]()
    folders = [f"test_{name}/cam{camera}" for modality, name in NAMES.items() for camera in CAMERAS[modality]]
    lists = ["idx/train_vis.txt", "idx/train_nir.txt", "idx/test_id.txt"]
    if not layout_files.require(root, folders, lists, LAYOUT, problems):
        return Inspection([], problems)
    train = _read_train(root, problems)
    listed = root / "idx" / "test_id.txt"
    identities = layout_files.read_identities(listed, problems)
    names = ("train_{vis,nir}.txt", "test_id.txt")
    layout_files.check_disjoint({record.person_id for record in train}, set(identities), names, root / "idx", problems)
    test, warnings = _read_test(root, identities, problems), list[str]()
    if test:
        layout_files.warn_without_images(identities, {record.person_id for record in test}, listed, warnings)
    return Inspection(train + test, problems, warnings)


def _read_train(root: Path, problems: list[str]) -> list[ImageRecord]:
    records: list[ImageRecord] = []
    labelled: list[tuple[int, Labelled]] = []
    for modality, name in NAMES.items():
        path = root / "idx" / f"train_{name}.txt"
        rows = layout_files.read_labels(path, problems)
        layout_files.require_images(root, rows, path, problems)
        for row in rows:
            person_id, camera_id = layout_files.identity_of_folder(row, problems), _camera_of(row, problems)
            if person_id is not None and camera_id is not None:
                labelled.append((person_id, row))
                records.append(ImageRecord(row.path, person_id, camera_id, modality, "train"))
    layout_files.check_labels(labelled, problems)
    return records


def _read_test(root: Path, identities: list[int], problems: list[str]) -> list[ImageRecord]:
    records, is_listed = list[ImageRecord](), layout_files.is_file(root / "idx" / "test_id.txt")
    for modality, name in NAMES.items():
        for person_id in identities:
            for camera_id in CAMERAS[modality]:
                prefix = f"test_{name}/cam{camera_id}/{person_id:04d}"
                records += [
                    ImageRecord(f"{prefix}/{image}", person_id, camera_id, modality, "test")
                    for image in layout_files.list_images(root / prefix, problems)
                ]
        if is_listed and not any(record.modality == modality for record in records):
            problems.append(f"{root}/test_{name}: has no image of an identity in idx/test_id.txt; expected {LAYOUT}")
    return records


def _camera_of(row: Labelled, problems: list[str]) -> int | None:
    found = re.search(r"(?:^|/)cam([0-9]{1,3})/", row.path) or re.search(r"_c([0-9]{1,3})_[^/]*$", row.path)
    if found and int(found[1]) in CAMERAS["visible"]:
        return int(found[1])
    what = f"names camera {int(found[1])}, but LLCM has 1..9" if found else "names no camera"
    problems.append(f"{row.where}: {row.path!r} {what}; expected cam<number>/ in the path or _c<number>_ in the name")
    return None
