"""Reader of RegDB in its official layout."""

from __future__ import annotations

from pathlib import Path

from csdn.data.layout_files import (
    check_disjoint,
    check_labels,
    identity_of_folder,
    read_labels,
    require,
    require_images,
)
from csdn.data.records import ImageRecord, Modality, Subset
from csdn.errors import UserError

LAYOUT = "the RegDB layout Visible/<identity>/, Thermal/<identity>/ and idx/{train,test}_{visible,thermal}_{1..10}.txt"
CAMERAS: tuple[tuple[str, Modality, int], ...] = (("visible", "visible", 1), ("thermal", "infrared", 2))
SUBSETS: tuple[Subset, ...] = ("train", "test")
SPLITS = tuple(str(number) for number in range(1, 11))


def read_records(root: Path | str, split: str | int) -> list[ImageRecord]:
    """Images of one RegDB split: train visible, train thermal, test visible, test thermal, each in its list's order.

    Labels restart at 0 in the train and the test lists, so the identity is the folder's number. The visible camera
    is 1, the thermal one 2.

    Args:
        root: folder that holds `idx` and the images that its lists name.
        split: 1..10.

    Raises:
        UserError: the split, a list or a listed image is missing, a line is malformed, labels contradict the folders,
            or train and test share identities.
    """
    root, split = Path(root), str(split)
    if split not in SPLITS:
        raise UserError(f"split {split!r} does not exist in RegDB; known: {', '.join(SPLITS)}")
    require(root, ["idx"], [f"idx/{s}_{name}_{split}.txt" for s in SUBSETS for name, _, _ in CAMERAS], LAYOUT)
    records = []
    for subset in SUBSETS:
        labelled = []
        for name, modality, camera_id in CAMERAS:
            where = f"{root / 'idx'}/{subset}_{name}_{split}.txt"
            rows = read_labels(Path(where))
            require_images(root, [path for path, _ in rows], where)
            for path, label in rows:
                person_id = identity_of_folder(path, where)
                labelled.append((person_id, label))
                records.append(ImageRecord(path, person_id, camera_id, modality, subset))
        check_labels(labelled, f"{root / 'idx'}/{subset}_{{visible,thermal}}_{split}.txt")
    train, test = ({r.person_id for r in records if r.subset == subset} for subset in SUBSETS)
    check_disjoint(train, test, (f"train_*_{split}.txt", f"test_*_{split}.txt"), root / "idx")
    return records
