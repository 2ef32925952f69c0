"""From lists of shots to pixels: identities, cameras and photographs, which depend only on their keys."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from csdn.config.benchmark import Benchmark
from csdn.config.layouts import Modality
from csdn.seeding import derive_seed
from csdn.synthetic.attributes import Identity, sample_attributes, sample_identity
from csdn.synthetic.cameras import Camera, Photograph, photograph, sample_camera
from csdn.synthetic.captions import caption
from csdn.synthetic.hours import sample_hour
from csdn.synthetic.scenes import Spectrum

Progress = Callable[[int], None]
_CHUNK_PIXELS = 2**20  # keeps a worker's answers at about 3 MB
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Shot:
    """One image to render."""

    path: str  # where it is written, relative to the dataset's root; empty if it goes into an array
    subset: str  # "train", "val", "test", "held_out", or "all" if the subset depends on the split
    person_id: int  # label in the dataset
    camera_id: int  # camera number in the dataset
    modality: Modality  # "visible" or "infrared"
    spectrum: Spectrum  # the light in which it is taken
    identity_key: str  # name of the person, unique in all sets of one seed; under another seed it is someone else
    camera_key: str  # name of the camera, the same
    number: int  # number of the image of this person by this camera, from 1


class Studio:
    """Makes and caches the identities and cameras of one benchmark; the same keys always give the same pixels."""

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self._identities: dict[str, Identity] = {}
        self._attributes: dict[str, dict[str, str]] = {}
        self._cameras: dict[tuple[str, Spectrum], Camera] = {}

    def identity(self, key: str) -> Identity:
        """The person with this key."""
        if key not in self._identities:
            self._identities[key] = sample_identity(self._rng("identity", key), self.benchmark.luminance_share)
        return self._identities[key]

    def attributes(self, key: str) -> dict[str, str]:
        """The attributes of that person, which are drawn before everything else."""
        if key not in self._attributes:
            self._attributes[key] = sample_attributes(self._rng("identity", key))
        return self._attributes[key]

    def camera(self, key: str, spectrum: Spectrum) -> Camera:
        """The camera with this key."""
        if (key, spectrum) not in self._cameras:
            rng = self._rng("camera", key, spectrum)
            self._cameras[key, spectrum] = sample_camera(rng, spectrum, self.benchmark.image_size, self.benchmark.noise)
        return self._cameras[key, spectrum]

    def take(self, shot: Shot) -> Photograph:
        """The photograph of a shot."""
        rng = self._rng("image", shot.identity_key, shot.camera_key, shot.spectrum, shot.number)
        camera = self.camera(shot.camera_key, shot.spectrum)
        visit = self._rng("visit", shot.identity_key, shot.camera_key)  # its images have the same time of day
        hour = sample_hour(visit, self.benchmark.night)
        return photograph(self.identity(shot.identity_key), camera, rng, self.benchmark.occlusion, hour)

    def captions(self, shot: Shot, count: int = 1, *, grey: bool = False) -> list[str]:
        """`count` independently drawn captions of a shot, or of its grey copy."""
        name = "grey_caption" if grey else "caption"
        rng = self._rng(name, shot.identity_key, shot.camera_key, shot.spectrum, shot.number)
        colored = shot.modality == "visible" and not grey
        return [caption(self.attributes(shot.identity_key), rng, colored=colored) for _ in range(count)]

    def _rng(self, *names: str | int) -> np.random.Generator:
        return np.random.default_rng(derive_seed(self.benchmark.seed, *names))


def render_files(
    benchmark: Benchmark, shots: Sequence[Shot], folder: Path, workers: int = 1, progress: Progress | None = None
) -> None:
    """Render every shot to its path in `folder`; `progress` is called with the number of images finished."""
    for parent in sorted({(folder / shot.path).parent for shot in shots}):
        parent.mkdir(parents=True, exist_ok=True)
    for count in _map_chunks(partial(_write_files, folder=folder), benchmark, shots, workers):
        if progress:
            progress(count)


def render_arrays(
    benchmark: Benchmark, shots: Sequence[Shot], workers: int = 1, progress: Progress | None = None
) -> Iterator[np.ndarray]:
    """Yield the pixels of the shots in order, in blocks of shape (block, height, width, 3), uint8."""
    for block in _map_chunks(_take_all, benchmark, shots, workers):
        yield block
        if progress:
            progress(len(block))


def _map_chunks(
    work: Callable[[Studio, Sequence[Shot]], _Result], benchmark: Benchmark, shots: Sequence[Shot], workers: int
) -> Iterator[_Result]:
    height, width = benchmark.image_size
    size = max(1, min(_CHUNK_PIXELS // (height * width), -(-len(shots) // max(1, workers))))
    chunks = [shots[start : start + size] for start in range(0, len(shots), size)]
    if workers <= 1 or len(chunks) <= 1:
        studio = Studio(benchmark)
        yield from (work(studio, chunk) for chunk in chunks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(chunks)), mp_context=context) as pool:
        yield from pool.map(partial(_with_new_studio, work, benchmark), chunks)


def _with_new_studio(
    work: Callable[[Studio, Sequence[Shot]], _Result], benchmark: Benchmark, chunk: Sequence[Shot]
) -> _Result:
    return work(Studio(benchmark), chunk)


def _write_files(studio: Studio, shots: Sequence[Shot], folder: Path) -> int:
    for shot in shots:
        image = Image.fromarray(studio.take(shot).pixels)
        image.save(folder / shot.path, quality=95, subsampling=0)  # only JPEG has these options
    return len(shots)


def _take_all(studio: Studio, shots: Sequence[Shot]) -> np.ndarray:
    return np.stack([studio.take(shot).pixels for shot in shots])
