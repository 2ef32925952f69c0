"""The record of one image, as every reader returns it."""

from dataclasses import dataclass

from csdn.config.base import Subset
from csdn.config.layouts import Modality


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image and its labels.

    Attributes:
        path: POSIX path relative to the dataset's root.
        person_id: identity, unique over the whole dataset.
        camera_id: the dataset's own camera number, from 1.
        modality: "visible" or "infrared".
        subset: "train", "val" or "test".
    """

    path: str
    person_id: int
    camera_id: int
    modality: Modality
    subset: Subset
