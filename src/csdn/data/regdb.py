"""Reader of RegDB in its official layout."""

from __future__ import annotations

from pathlib import Path

from csdn.config.base import Subset
from csdn.config.layouts import FILE_NAMES, MODALITIES, camera_modalities
from csdn.data import layout_files
from csdn.data.layout_files import Inspection, Labelled
from csdn.data.records import ImageRecord
from csdn.errors import UserError

LAYOUT = "the RegDB layout Visible/<identity>/, Thermal/<identity>/ and idx/{train,test}_{visible,thermal}_{1..10}.txt"
SUBSETS: tuple[Subset, ...] = ("train", "test")
SPLITS = tuple(str(number) for number in range(1, 11))


def read_records(root: Path | str, split: str | int) -> list[ImageRecord]:
    """Images of one RegDB split: training visible, training thermal, test visible, test thermal, in their lists' order.

    Labels restart at 0 in the train and the test lists, so the identity is the folder's number. The visible camera
    is number 1, the thermal camera number 2.

    Args:
        root: folder that holds `idx` and the images that its lists name.
        split: 1..10.

    Raises:
        UserError: the split, a list or a listed image is missing, a line is malformed, labels contradict the folders,
            an image is listed both as visible and as thermal, or train and test have identities in common.
    """
    return inspect(root, split).checked()


def inspect(root: Path | str, split: str | int) -> Inspection:
    """Like `read_records`, but returns everything that is wrong instead of raising an error.

    Raises:
        UserError: the split does not exist.
    """
    root, split, problems, records = Path(root), str(split), list[str](), list[ImageRecord]()
    if split not in SPLITS:
        raise UserError(f"split {split!r} does not exist in RegDB; known: {', '.join(SPLITS)}")
    lists = [f"idx/{subset}_{name}_{split}.txt" for subset in SUBSETS for name in FILE_NAMES["regdb"].values()]
    if not layout_files.require(root, ["idx"], lists, LAYOUT, problems):
        return Inspection([], problems)
    for subset in SUBSETS:
        labelled: list[tuple[int, Labelled]] = []
        for camera_id, modality in camera_modalities("regdb").items():
            path = root / "idx" / f"{subset}_{FILE_NAMES['regdb'][modality]}_{split}.txt"
            rows = layout_files.read_labels(path, problems)
            layout_files.require_images(root, rows, path, problems)
            for row in rows:
                person_id = layout_files.identity_of_folder(row, problems)
                if person_id is not None:
                    labelled.append((person_id, row))
                    records.append(ImageRecord(row.path, person_id, camera_id, modality, subset))
        layout_files.check_labels(labelled, problems)
    train, test = ({r.person_id for r in records if r.subset == subset} for subset in SUBSETS)
    layout_files.check_disjoint(train, test, (f"train_*_{split}.txt", f"test_*_{split}.txt"), root / "idx", problems)
    _check_modalities(root, records, problems)
    return Inspection(records, problems)


def _check_modalities(root: Path, records: list[ImageRecord], problems: list[str]) -> None:
    visible, infrared = ({r.path for r in records if r.modality == modality} for modality in MODALITIES)
    for path in sorted(visible & infrared)[:1]:
        problems.append(
            f"{root / 'idx'}: {len(visible & infrared)} images are listed as both visible and thermal, first {path}; "
            "copy the dataset's label files again"
        )
