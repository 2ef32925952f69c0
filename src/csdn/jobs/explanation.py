"""The subcommand explain-model: the arrays behind the figures that need a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from csdn.artifacts.files import read_tensors, write_tensors
from csdn.artifacts.records import write_provenance
from csdn.console.progress import progress
from csdn.data.image_cache import open_images, training_images
from csdn.errors import UserError
from csdn.jobs.unpacking import starting_clip
from csdn.models import explanation
from csdn.models.build import build_network, load_encoder
from csdn.models.clip_backbone import as_images, normalize_images
from csdn.models.device import configure_process
from csdn.models.inference import embed_images, project_images
from csdn.models.reid_network import ReIDNetwork
from csdn.seeding import derive_seed
from csdn.steps.evaluation import ExplainModel
from csdn.steps.input_checks import check_inputs

PEOPLE, IMAGES = 20, 6  # identities of the plane of features, and images of each in each modality
PAIRS = 4  # people whose maps are shown
DESCRIBED = 400  # training images of each modality whose similarity to descriptions is shown
BATCH = 256


def run_explain_model(
    settings: ExplainModel,
    index: Path,
    cache: Path,
    clip: Path | None,
    encoder: Path,
    semantics: Path | None,
    output: Path,
) -> None:
    """Compare a trained encoder with its start: features, maps, similarity to descriptions.

    Writes safetensors: `rows` (M,) of the index with `features_before` and `features_after` (M, dim); `pair_rows`
    (2, P) with `attention_before`, `attention_after` and `grad_cam` (2, P, h, w), visible images first, if the tower is
    a ResNet; and, if the encoder was trained with its descriptions, `described_rows` (N,) with `own_*` and `hardest_*`
    (N,) before and after.
    """
    inputs = {"index": index, "cache": cache, "clip": clip, "encoder": encoder, "semantics": semantics}
    record = settings.record()
    compute = configure_process(**settings.runtime.of_process())
    device = compute.device
    digests = check_inputs(record, inputs)
    frame, pixels = open_images(index, cache, settings.scratch)
    after = load_encoder(encoder, settings.clip.architecture, settings.image_size, device, **settings.of_network())
    before = _start(settings, clip, after.pooled_head.weight.shape[0], device)
    rng = np.random.default_rng(derive_seed(settings.seed, "explain_model", settings.dataset, settings.split))
    people = explanation.choose_people(frame, settings.split, PEOPLE, rng)
    if not len(people):
        raise UserError(f"{index}: split {settings.split} has no test identity in both modalities; check the lists")
    compared = _Comparison(settings, frame, pixels, (before, after), rng, device)
    with progress("explain-model", 3, "parts") as advance:
        tensors = compared.plane(people)
        advance(1)
        if explanation.has_maps(after):
            tensors |= compared.maps(people[:PAIRS])
        advance(1)
        if semantics is not None and settings.encoder.text == "learned":
            tensors |= compared.described(semantics)
        advance(1)
    write_tensors(output, tensors)
    given = {name: path for name, path in inputs.items() if path is not None}
    write_provenance(output, record, given, digests=digests, compute=compute.record())


def _start(settings: ExplainModel, clip: Path | None, identities: int, device: torch.device) -> ReIDNetwork:
    """The network as `train_encoder` found it."""
    seed = derive_seed(settings.seed, "train_encoder", settings.dataset, settings.split)
    torch.manual_seed(seed)
    start, generator = starting_clip(settings, clip), torch.Generator().manual_seed(seed)
    network = build_network(start, identities=identities, generator=generator, **settings.of_network())
    return network.to(device).to(memory_format=torch.channels_last)


class _Comparison(NamedTuple):
    """A network before and after its training, the images that it is compared on, and what draws some of them."""

    settings: ExplainModel
    frame: pd.DataFrame
    pixels: np.ndarray
    networks: tuple[ReIDNetwork, ReIDNetwork]
    rng: np.random.Generator
    device: torch.device

    def plane(self, people: np.ndarray) -> dict[str, Any]:
        """Retrieval descriptors of some images of `people`, without mirrored images."""
        rows = explanation.choose_images(self.frame, self.settings.split, people, IMAGES, self.rng)
        before, after = (embed_images(n, *self._images(rows), **self._options(), flip=False) for n in self.networks)
        return {"rows": rows, "features_before": before, "features_after": after}

    def maps(self, people: np.ndarray) -> dict[str, Any]:
        """Maps of a visible and an infrared image of each of `people`."""
        rows = explanation.choose_images(self.frame, self.settings.split, people, 1, self.rng)
        rows = rows[np.lexsort([self.frame["person_id"].to_numpy()[rows], self._infrared(rows)])].reshape(2, -1)
        normalization, (before, after) = self.settings.fidelity.normalization, self.networks
        sides = [normalize_images(as_images(self.pixels[side]).to(self.device), normalization) for side in rows]
        start, end = explanation.attention_maps(before, *sides), explanation.explain_pairs(after, *sides)
        maps = {"attention_before": start, "attention_after": end.attention, "grad_cam": end.grad_cam}
        return {"pair_rows": rows, **maps}

    def described(self, semantics: Path) -> dict[str, Any]:
        """Similarity of training images to their own and to the hardest other description of their modality."""
        images = training_images(self.frame, self.pixels, self.settings.split, self.settings.train_subsets)
        texts = read_tensors(semantics)
        if not np.array_equal(images.person_ids, texts["person_ids"]):
            raise UserError(f"{semantics}: describes other identities than this split trains; rerun fuse-semantics")
        tensors: dict[str, list[np.ndarray]] = {}
        for name, side in (("visible", images.visible), ("infrared", images.infrared)):
            chosen = np.sort(self.rng.choice(len(side), min(DESCRIBED, len(side)), replace=False))
            rows, labels = side.rows[chosen], side.labels[chosen]
            tensors.setdefault("described_rows", []).append(rows)
            for when, network in zip(("before", "after"), self.networks, strict=True):
                features = project_images(network.backbone, *self._images(rows), **self._options())
                own, hardest = explanation.description_similarity(features, texts[f"text_{name}"], labels)
                tensors.setdefault(f"own_{when}", []).append(own)
                tensors.setdefault(f"hardest_{when}", []).append(hardest)
        return {name: np.concatenate(parts) for name, parts in tensors.items()}

    def _images(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pixels, `rows` of them, and which of these are infrared."""
        return self.pixels, rows, self._infrared(rows)

    def _infrared(self, rows: np.ndarray) -> np.ndarray:
        return (self.frame["modality"].to_numpy() == "infrared")[rows]

    def _options(self) -> dict[str, Any]:
        return {"batch": BATCH, "normalization": self.settings.fidelity.normalization, "device": self.device}
