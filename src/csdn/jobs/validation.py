"""What is measured while the encoder trains: on validation identities, and on test where that chooses the epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from csdn.data.image_cache import subset_rows, to_records
from csdn.errors import UserError
from csdn.evaluation.ranking import retrieval_metrics
from csdn.evaluation.scoring import score
from csdn.models.inference import embed_images
from csdn.models.reid_network import ReIDNetwork
from csdn.steps.training import TrainEncoder
from csdn.training.encoder_stage import Validation

BATCH = 256

SELECTED_BY = {"best_on_validation": "validation_map", "best_on_test": "test_rank_1"}  # values that are measured here

Measure = Callable[[ReIDNetwork], dict[str, float]]
Embed = Callable[[ReIDNetwork, np.ndarray], np.ndarray]


def build_validation(
    settings: TrainEncoder, frame: pd.DataFrame, pixels: np.ndarray, device: torch.device
) -> Validation | None:
    """What the settings ask to measure, or None if nothing.

    Args:
        settings: of the training.
        frame: the index; pixels: uint8 (N, H, W, 3) of its rows.

    Raises:
        UserError: the epoch is to be chosen on validation identities and there are none.
    """
    infrared = frame["modality"].to_numpy() == "infrared"

    def embed(network: ReIDNetwork, rows: np.ndarray) -> np.ndarray:
        normalization = settings.fidelity.normalization
        options: dict[str, Any] = {"batch": BATCH, "flip": True, "normalization": normalization, "device": device}
        return embed_images(network, pixels, rows, infrared[rows], **options)

    measures = [_on_validation(settings, frame, embed), _on_test(settings, frame, embed)]
    wanted = [each for each in measures if each]
    if not wanted:
        return None

    def measure(network: ReIDNetwork) -> dict[str, float]:
        return {name: value for each in wanted for name, value in each(network).items()}

    return Validation(measure, settings.encoder.validate_every, SELECTED_BY.get(settings.encoder.selection))


def _on_validation(settings: TrainEncoder, frame: pd.DataFrame, embed: Embed) -> Measure | None:
    """Rank-1 and mAP of infrared queries among all visible images of the validation identities."""
    trained = "val" in settings.train_subsets
    rows = np.empty(0, dtype=int) if trained else subset_rows(frame, settings.split, ["val"])
    if not len(rows):
        if settings.encoder.selection == "best_on_validation":
            raise UserError(
                "encoder.selection: best_on_validation needs validation identities; set train_subsets: [train]"
            )
        return None
    infrared = (frame["modality"].to_numpy() == "infrared")[rows]
    persons = frame["person_id"].to_numpy()[rows]

    def validate(network: ReIDNetwork) -> dict[str, float]:
        features = embed(network, rows)
        similarity = features[infrared] @ features[~infrared].T
        result = retrieval_metrics(similarity, persons[infrared], persons[~infrared], cmc="image")
        return {"validation_rank_1": float(result.cmc[0]), "validation_map": float(result.mean_average_precision)}

    return validate


def _on_test(settings: TrainEncoder, frame: pd.DataFrame, embed: Embed) -> Measure | None:
    """Rank-1 and mAP under a protocol of the test set: for `selection: best_on_test` and nothing else."""
    if settings.encoder.selection != "best_on_test":
        return None
    chosen = settings.test_selection
    if chosen is None:
        raise UserError(
            "test_selection: missing in the settings of train_encoder; make them again with this version of csdn"
        )
    rows = subset_rows(frame, settings.split, ["test"])
    records = to_records(frame, settings.split)
    images = [records[row] for row in rows]

    def validate(network: ReIDNetwork) -> dict[str, float]:
        summary, _ = score(images, embed(network, rows), chosen.protocol, trials=chosen.trials)
        return {"test_rank_1": summary["metrics"]["rank_1"], "test_map": summary["metrics"]["map"]}

    return validate
