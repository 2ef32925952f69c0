"""A trained encoder as one object, rebuilt from its file and the record next to it, without further settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from csdn.artifacts.files import read_json, selected_on_test
from csdn.artifacts.records import RECORD
from csdn.data.image_files import read_image
from csdn.errors import UserError, first_line
from csdn.steps.input_checks import check_results
from csdn.steps.registry import parse
from csdn.steps.training import TrainEncoder

if TYPE_CHECKING:
    import torch

    from csdn.models.reid_network import ReIDNetwork


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """An encoder, how it was trained, and how it computes descriptors.

    Attributes:
        network: in evaluation mode on `device`.
        settings: the settings it was trained with.
        selected_on_test: whether its epoch was chosen on the test set, which every use must state.
        flip: whether the mirrored image's descriptor is part of the descriptor.
    """

    network: ReIDNetwork
    settings: TrainEncoder
    device: torch.device
    selected_on_test: bool
    flip: bool = True

    @property
    def width(self) -> int:
        """Length of a descriptor."""
        backbone = self.network.backbone
        return (backbone.channels + backbone.embed_dim) * (2 if self.flip else 1)

    def embed(self, images: Sequence[Path], modality: str) -> np.ndarray:
        """Descriptors of image files of one modality, float32 (N, width).

        Raises:
            UserError: a file cannot be read.
        """
        from csdn.models.inference import embed_images

        pixels = np.stack([read_image(path, self.settings.image_size)[0] for path in images])
        return embed_images(
            self.network,
            pixels,
            np.arange(len(pixels)),
            np.full(len(pixels), modality == "infrared"),
            batch=len(pixels),
            flip=self.flip,
            normalization=self.settings.fidelity.normalization,
            device=self.device,
        )


def load_trained(path: Path, *, device: str = "auto", threads: int = 1, flip: bool = True) -> TrainedEncoder:
    """Rebuild the encoder of a run.

    Args:
        path: `encoder.safetensors`, with its record next to it.

    Raises:
        UserError: a file is missing, was edited, or is of another version of training.
    """
    from csdn.models.build import load_encoder
    from csdn.models.device import configure_process

    record = Path(f"{path}{RECORD}")
    if path.is_file() and not record.is_file():
        raise UserError(f"{record}: no such file; copy the encoder's record too, without which it cannot be rebuilt")
    content = read_json(record) if path.is_file() else {}
    check_results([path])
    if not path.is_file():
        raise UserError(f"{path}: no such file; give the encoder.safetensors of a run")
    try:
        settings = parse(content.get("parameters", {}))
    except UserError as error:
        raise UserError(
            f"{record}: does not tell how to rebuild it ({first_line(error)}); copy its own record"
        ) from error
    if not isinstance(settings, TrainEncoder):
        raise UserError(
            f"{path}: was made by {settings.step}, not by train_encoder; give the encoder.safetensors of a run"
        )
    deterministic = settings.runtime.deterministic
    chosen = configure_process(device, threads=threads, deterministic=deterministic, option="--device").device
    start = (settings.clip.architecture, settings.image_size)
    network = load_encoder(path, *start, chosen, **settings.of_network()).eval()
    return TrainedEncoder(network, settings, chosen, selected_on_test(path), flip)
