"""The images of each embedded set: who is photographed by which camera, how often, and in which file."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from csdn.config.benchmark import Benchmark, Population
from csdn.config.layouts import CAMERAS, FILE_NAMES, MODALITIES, Modality, camera_modalities
from csdn.seeding import derive_seed
from csdn.synthetic.scenes import Spectrum
from csdn.synthetic.studio import Shot


def draw_of(benchmark: Benchmark, draw: str) -> Benchmark:
    """The benchmark of a draw: the same numbers of people and images, with people and cameras of its own."""
    return benchmark.model_copy(update={"seed": derive_seed(benchmark.seed, "draw", draw)})


def sysu_mm01_shots(benchmark: Benchmark) -> list[Shot]:
    """Images of the SYSU-MM01 layout by person and camera; identities are shuffled over the numbers."""
    people = benchmark.sysu_mm01
    shots = []
    for person_id, subset, key in _people("sysu_mm01", people, benchmark.seed):
        for camera, modality in camera_modalities("sysu_mm01").items():
            for number in range(1, _images(people, subset, modality) + 1):
                path = f"cam{camera}/{person_id:04d}/{number:04d}.jpg"
                spectrum: Spectrum = "visible" if modality == "visible" else "near_infrared"
                camera_key = f"sysu_mm01/camera/{camera}"
                shots.append(Shot(path, subset, person_id, camera, modality, spectrum, key, camera_key, number))
    return shots


def regdb_shots(benchmark: Benchmark) -> list[Shot]:
    """Images of the RegDB layout: one visible and one thermal camera; the subset depends on the split."""
    people = benchmark.regdb
    shots = []
    for person_id in range(1, people.train + people.test + 1):
        for camera, modality in camera_modalities("regdb").items():
            name = FILE_NAMES["regdb"][modality]
            spectrum: Spectrum = "visible" if modality == "visible" else "thermal"
            for number in range(1, people.train_images + 1):
                path = f"{name.capitalize()}/{person_id}/{name}_{number:02d}.bmp"
                key, camera_key = f"regdb/all/{person_id}", f"regdb/camera/{camera}"
                shots.append(Shot(path, "all", person_id, camera, modality, spectrum, key, camera_key, number))
    return shots


def llcm_shots(benchmark: Benchmark) -> list[Shot]:
    """Images of the LLCM layout: nine places, eight of which also have a near-infrared camera."""
    people = benchmark.llcm
    shots = []
    for person_id, subset, key in _people("llcm", people, benchmark.seed):
        for modality, cameras in CAMERAS["llcm"].items():
            name = FILE_NAMES["llcm"][modality]
            spectrum: Spectrum = "visible" if modality == "visible" else "near_infrared"
            for camera in cameras:
                for number in range(1, _images(people, subset, modality) + 1):
                    folder = f"{subset}_{name}/cam{camera}/{person_id:04d}"
                    path = f"{folder}/{person_id:04d}_c{camera:02d}_{number:04d}_{name}.jpg"
                    camera_key = f"llcm/camera/{camera}"
                    shots.append(Shot(path, subset, person_id, camera, modality, spectrum, key, camera_key, number))
    return shots


def pretraining_shots(benchmark: Benchmark) -> list[Shot]:
    """Images of the pre-training set: the training identities, then the held-out ones in both modalities."""
    people = benchmark.pretraining
    shots = []
    for number in range(1, people.identities + 1):
        key = f"pretraining/train/{number}"
        for modality in MODALITIES if people.infrared else MODALITIES[:1]:
            shots += _pretraining_images(benchmark, "train", number, key, modality, people.images)
    for number in range(1, people.held_out + 1):
        key = f"pretraining/held_out/{number}"
        for modality in MODALITIES:
            shots += _pretraining_images(benchmark, "held_out", people.identities + number, key, modality, 1)
    return shots


def regdb_halves(benchmark: Benchmark, split: int) -> tuple[list[int], list[int]]:
    """Training and test identities, sorted, of RegDB split 1..10; each split draws new random halves."""
    people = benchmark.regdb
    rng = np.random.default_rng(derive_seed(benchmark.seed, "regdb", "split", split))
    order = rng.permutation(people.train + people.test) + 1
    return sorted(order[: people.train].tolist()), sorted(order[people.train :].tolist())


def _pretraining_images(
    benchmark: Benchmark, subset: str, person_id: int, key: str, modality: Modality, images: int
) -> list[Shot]:
    cameras = benchmark.pretraining.cameras
    rng = np.random.default_rng(derive_seed(benchmark.seed, "placement", key, modality))
    order = rng.permutation(cameras)
    spectrum: Spectrum = "visible" if modality == "visible" else "near_infrared"
    shots = []
    for index in range(images):
        camera = int(order[index % cameras]) + 1
        number = index // cameras + 1
        camera_key = f"pretraining/{modality}_camera/{camera}"
        camera_id = camera if modality == "visible" else cameras + camera
        shots.append(Shot("", subset, person_id, camera_id, modality, spectrum, key, camera_key, number))
    return shots


def _people(dataset: str, people: Population, seed: int) -> Iterator[tuple[int, str, str]]:
    """Yield (person_id, subset, identity_key) in the order of person_id.

    The key counts within the subset, so that adding training identities does not change the test identities.
    """
    counts = {"train": people.train, "val": people.val, "test": people.test}
    members = [(subset, f"{dataset}/{subset}/{n}") for subset, count in counts.items() for n in range(1, count + 1)]
    rng = np.random.default_rng(derive_seed(seed, dataset, "numbers"))
    for person_id, member in enumerate(rng.permutation(len(members)), start=1):
        yield person_id, *members[member]


def _images(people: Population, subset: str, modality: str) -> int:
    images = people.train_images if subset == "train" else people.test_images
    return images * (people.infrared_factor if modality == "infrared" else 1)
