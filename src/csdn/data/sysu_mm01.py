"""Reader of SYSU-MM01 in its official layout."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from csdn.config.base import Subset
from csdn.config.layouts import camera_modalities
from csdn.data import layout_files
from csdn.data.layout_files import Inspection
from csdn.data.records import ImageRecord

LAYOUT = "the SYSU-MM01 layout cam1..cam6/<4-digit identity>/<image>.jpg and exp/{train,val,test}_id.txt"
CAMERA_MODALITY = camera_modalities("sysu_mm01")
SUBSETS: tuple[Subset, ...] = ("train", "val", "test")


def read_records(root: Path | str) -> list[ImageRecord]:
    """Images of SYSU-MM01 by ascending identity, then camera, then file name.

    The identity is the folder's number. Not every identity has a folder in every camera, not even in the official data.

    Args:
        root: folder that holds `cam1`..`cam6` and `exp`.

    Raises:
        UserError: a camera folder or identity list is missing, lists have identities in common, a list is malformed, or
            no training or test identity has an image.
    """
    return inspect(root).checked()


def inspect(root: Path | str) -> Inspection:
    """Like `read_records`, but returns everything that is wrong instead of raising an error."""
    root, problems, records = Path(root), list[str](), list[ImageRecord]()
    folders = [f"cam{camera}" for camera in CAMERA_MODALITY]
    if not layout_files.require(root, folders, [f"exp/{name}_id.txt" for name in SUBSETS], LAYOUT, problems):
        return Inspection([], problems)
    subset_of = _read_subsets(root, problems)
    for person_id in sorted(subset_of):
        for camera_id, modality in CAMERA_MODALITY.items():
            prefix = f"cam{camera_id}/{person_id:04d}"
            records += [
                ImageRecord(f"{prefix}/{name}", person_id, camera_id, modality, subset_of[person_id])
                for name in layout_files.list_images(root / prefix, problems)
            ]
    return Inspection(records, problems, _check_complete(root, subset_of, records, problems))


def _read_subsets(root: Path, problems: list[str]) -> dict[int, Subset]:
    identities = {
        name: set(layout_files.read_identities(root / "exp" / f"{name}_id.txt", problems)) for name in SUBSETS
    }
    for first, second in combinations(SUBSETS, 2):
        names = (f"{first}_id.txt", f"{second}_id.txt")
        layout_files.check_disjoint(identities[first], identities[second], names, root / "exp", problems)
    return {person_id: name for name in SUBSETS for person_id in identities[name]}


def _check_complete(
    root: Path, subset_of: dict[int, Subset], records: list[ImageRecord], problems: list[str]
) -> list[str]:
    """Warnings about listed identities without an image; a list in which none has an image is a problem."""
    found, warnings = {record.person_id for record in records}, list[str]()
    for subset in SUBSETS:
        path = root / "exp" / f"{subset}_id.txt"
        listed = {person_id for person_id, name in subset_of.items() if name == subset}
        if subset == "val" or found & listed:
            layout_files.warn_without_images(listed, found, path, warnings)
        elif layout_files.is_file(path):
            problems.append(f"{root}: has no image of an identity in exp/{subset}_id.txt; expected {LAYOUT}")
    return warnings
