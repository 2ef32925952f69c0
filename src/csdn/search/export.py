"""A trained encoder as programs that run without this project: ONNX, and torch.export."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from csdn.artifacts.digests import sha256
from csdn.artifacts.files import SELECTED_ON_TEST, atomic
from csdn.config.layouts import MODALITIES
from csdn.errors import UserError
from csdn.models.clip_backbone import normalize_images
from csdn.models.folding import folded
from csdn.models.reid_network import Features

if TYPE_CHECKING:
    from csdn.search.trained import TrainedEncoder

PARITY = 1e-4  # largest difference in a descriptor's values that counts as rounding
TESTED = 5  # images; unlike the number that the program is traced with, to test that the batch size is free
METADATA = "metadata.json"  # name of the file in an exported program that describes it


class Descriptor(nn.Module):
    """Images of one modality -> retrieval descriptors (docs/method.md), each part of unit length.

    Contains everything from raw pixels on: normalisation of the input, the modality's stem, and the mirrored image.
    """

    def __init__(self, encoder: TrainedEncoder, modality: str) -> None:
        super().__init__()
        network = folded(encoder.network).cpu()
        self.stem = getattr(network.backbone, f"{modality}_stem")
        self.network = network
        self.normalization = encoder.settings.fidelity.normalization
        self.flip = encoder.flip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 RGB images (N, H, W, 3) -> float32 descriptors (N, width)."""
        normal = normalize_images(images, self.normalization).contiguous()
        parts = [self._describe(normal)]
        if self.flip:
            parts.append(self._describe(normal.flip(3)))
        return torch.cat(parts, dim=1)

    def _describe(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.network.backbone.trunk(self.stem(images))
        return self.network.describe(Features(self.network.pooling(maps), self.network.backbone.project(maps)))


@dataclass(frozen=True, slots=True)
class Exported:
    """A written file, and the largest difference between its descriptors' values and those of the encoder."""

    path: Path
    modality: str
    difference: float


def export_encoder(encoder: TrainedEncoder, source: Path, folder: Path) -> list[Exported]:
    """Write `<modality>.onnx` and `<modality>.pt2` and compare what each computes with the encoder.

    Every file says which encoder it was made from and whether that encoder's epoch was selected on the test set.

    Args:
        encoder: to export, on the CPU.
        source: its file.
        folder: where to write.

    Raises:
        UserError: onnx is missing, or a program computes something else; then no file is left.
    """
    onnx, runtime = import_onnx()
    folder.mkdir(parents=True, exist_ok=True)
    common = metadata(encoder, source)
    height, width = encoder.settings.image_size
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (TESTED, height, width, 3), dtype=np.uint8))
    out = []
    for modality in MODALITIES:
        module = Descriptor(encoder, modality).eval()
        with torch.no_grad(), quiet():
            expected = module(images).numpy()
            batch = {"images": {0: torch.export.Dim("batch", min=1)}}
            program = torch.export.export(module, (images[:2],), dynamic_shapes=batch)
            model = torch.onnx.export(program, input_names=["images"], output_names=["descriptors"], verbose=False)
        if model is None:
            raise RuntimeError("torch exported nothing")
        about = common | {"modality": modality}
        with atomic(folder / f"{modality}.onnx") as temporary:
            proto = model.model_proto
            onnx.helper.set_model_props(proto, about)
            onnx.save(proto, temporary)
            session = runtime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
            found = session.run(None, {"images": images.numpy()})[0]
            out.append(_checked(folder / f"{modality}.onnx", modality, found, expected))
        with atomic(folder / f"{modality}.pt2") as temporary:
            with temporary.open("wb") as file, quiet():
                torch.export.save(program, file, extra_files={METADATA: json.dumps(about)})
            with temporary.open("rb") as file, torch.no_grad():
                found = torch.export.load(file).module()(images).numpy()
            out.append(_checked(folder / f"{modality}.pt2", modality, found, expected))
    return out


def metadata(encoder: TrainedEncoder, source: Path) -> dict[str, str]:
    """The metadata of an exported file, as text."""
    settings = encoder.settings
    height, width = settings.image_size
    return {
        "encoder_sha256": sha256(source),
        "dataset": settings.dataset,
        "split": settings.split,
        "variant": settings.variant,
        "seed": str(settings.seed),
        "input": f"uint8 RGB (batch, {height}, {width}, 3)",
        "output": f"float32 descriptors (batch, {encoder.width})",
        **(SELECTED_ON_TEST if encoder.selected_on_test else {}),
    }


def _checked(path: Path, modality: str, found: np.ndarray, expected: np.ndarray) -> Exported:
    difference = float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")
    if not difference <= PARITY:
        raise UserError(
            f"{path}: its descriptors differ from the encoder's (by up to {difference:.2g}, allowed {PARITY:g}), so it "
            "is not written; use the versions of torch and onnx in constraints.txt"
        )
    return Exported(path, modality, difference)


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the exporters' messages, which are meant for their developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="No complete tensor found", category=UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def import_onnx() -> tuple[Any, Any]:
    """onnx and onnxruntime, which are optional dependencies.

    Raises:
        UserError: they are not installed.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"{error.name} is not installed: .venv/bin/pip install -c constraints.txt -e '.[export]'"
        ) from None
    return onnx, onnxruntime
