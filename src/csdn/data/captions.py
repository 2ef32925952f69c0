"""Captions of training images, which only the embedded benchmark has."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from csdn.artifacts.files import read_parquet
from csdn.config.layouts import MODALITIES
from csdn.data.image_cache import TrainingImages
from csdn.errors import UserError


def training_captions(index: pd.DataFrame, images: TrainingImages, annotations: Path) -> dict[str, list[list[str]]]:
    """The captions of each training identity's images by modality, in the order of `images.person_ids`.

    Args:
        index: as `read_index` returns it.
        annotations: annotations.parquet of the rendered dataset.

    Raises:
        UserError: the file has no captions, or an identity has none in a modality.
    """
    table = read_parquet(annotations)
    if not {"path", "caption"} <= set(table.columns):
        raise UserError(f"{annotations}: has no columns path and caption; give the file of a rendered dataset")
    texts = index["path"].map(table.set_index("path")["caption"])
    known: dict[str, list[list[str]]] = {}
    for modality, own in zip(MODALITIES, (images.visible, images.infrared), strict=True):
        captions = texts.iloc[own.rows].to_numpy()
        found = [[text for text in captions[own.labels == n] if pd.notna(text)] for n in range(len(images.person_ids))]
        lacking = [int(person) for person, of_person in zip(images.person_ids, found, strict=True) if not of_person]
        if lacking:
            raise UserError(
                f"{annotations}: no {modality} caption of person {lacking[0]}; render and index the dataset again"
            )
        known[modality] = found
    return known
