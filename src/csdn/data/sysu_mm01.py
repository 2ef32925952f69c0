"""Reader of SYSU-MM01 in its official layout."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from csdn.data.layout_files import check_disjoint, list_images, read_identities, require
from csdn.data.records import ImageRecord, Modality, Subset
from csdn.errors import UserError

LAYOUT = "the SYSU-MM01 layout cam1..cam6/<4-digit identity>/<image>.jpg and exp/{train,val,test}_id.txt"
CAMERA_MODALITY: dict[int, Modality] = {
    1: "visible", 2: "visible", 3: "infrared", 4: "visible", 5: "visible", 6: "infrared",
}  # fmt: skip
SUBSETS: tuple[Subset, ...] = ("train", "val", "test")


def read_records(root: Path | str) -> list[ImageRecord]:
    """Images of SYSU-MM01: identities ascending, then cameras, then file names.

    The identity is the folder's number. Not every identity has a folder in every camera: the official data are so.

    Args:
        root: folder that holds `cam1`..`cam6` and `exp`.

    Raises:
        UserError: a camera folder or identity list is missing, lists share identities, or a list is malformed.
    """
    root = Path(root)
    require(root, [f"cam{camera}" for camera in CAMERA_MODALITY], [f"exp/{name}_id.txt" for name in SUBSETS], LAYOUT)
    subset_of = _read_subsets(root)
    records = []
    for person_id in sorted(subset_of):
        for camera_id, modality in CAMERA_MODALITY.items():
            folder = root / f"cam{camera_id}" / f"{person_id:04d}"
            if not folder.is_dir():
                continue
            prefix = f"cam{camera_id}/{person_id:04d}/"
            records += [
                ImageRecord(prefix + name, person_id, camera_id, modality, subset_of[person_id])
                for name in list_images(folder)
            ]
    for subset in ("train", "test"):
        if not any(record.subset == subset for record in records):
            raise UserError(f"{root}: no image of an identity of exp/{subset}_id.txt; expected {LAYOUT}")
    return records


def _read_subsets(root: Path) -> dict[int, Subset]:
    identities = {name: set(read_identities(root / "exp" / f"{name}_id.txt")) for name in SUBSETS}
    for first, second in combinations(SUBSETS, 2):
        names = (f"{first}_id.txt", f"{second}_id.txt")
        check_disjoint(identities[first], identities[second], names, root / "exp")
    return {person_id: name for name in SUBSETS for person_id in identities[name]}
