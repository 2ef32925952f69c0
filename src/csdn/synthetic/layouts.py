"""Writers of the embedded sets: the official layouts of SYSU-MM01, RegDB and LLCM, and the pre-training arrays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import savemat

from csdn.artifacts.files import write_parquet, write_text
from csdn.config.benchmark import Benchmark
from csdn.config.layouts import FILE_NAMES, camera_modalities
from csdn.data.image_cache import write_pixels
from csdn.errors import UserError, cannot_write
from csdn.seeding import derive_seed
from csdn.study.paths import ANNOTATIONS, PERMUTATIONS, PIXELS
from csdn.synthetic import GENERATOR, shot_lists
from csdn.synthetic.attributes import ATTRIBUTES
from csdn.synthetic.studio import Progress, Shot, Studio, render_arrays, render_files

MARKER = "benchmark.json"
"""File that marks a folder as rendered, so that no other folder is ever replaced; says what rendered it."""
TRIALS = 10
CAPTION_COLUMNS = ("caption_0", "caption_1")
GREY_CAPTION_COLUMNS = ("grey_caption_0", "grey_caption_1")


def write_sysu_mm01(
    root: Path | str, benchmark: Benchmark, *, workers: int = 1, progress: Progress | None = None
) -> None:
    """Render the SYSU-MM01 layout: `cam1..cam6/<id>/<n>.jpg`, `exp/*_id.{txt,mat}`, `exp/rand_perm_cam.mat`.

    Raises:
        UserError: `root` exists and is not a rendered set.
    """
    shots = shot_lists.sysu_mm01_shots(benchmark)
    with _replacing(Path(root), benchmark) as folder:
        render_files(benchmark, shots, folder, workers, progress)
        members = {name: sorted({s.person_id for s in shots if s.subset == name}) for name in ("train", "val", "test")}
        members["available"] = sorted({shot.person_id for shot in shots})
        for name, ids in members.items():
            write_text(folder / "exp" / f"{name}_id.txt", ",".join(map(str, ids)) + "\n")
            _write_mat(folder / "exp" / f"{name}_id.mat", {"id": np.array([ids], dtype=np.uint16)})
        _write_mat(folder / PERMUTATIONS, {"rand_perm_cam": sysu_permutations(shots, benchmark.seed)})
        _write_annotations(folder, shots, benchmark)


def write_regdb(root: Path | str, benchmark: Benchmark, *, workers: int = 1, progress: Progress | None = None) -> None:
    """Render the RegDB layout: `Visible/<id>/*.bmp`, `Thermal/<id>/*.bmp` and the lists of ten splits in `idx/`.

    Raises:
        UserError: `root` exists and is not a rendered set.
    """
    shots = shot_lists.regdb_shots(benchmark)
    with _replacing(Path(root), benchmark) as folder:
        render_files(benchmark, shots, folder, workers, progress)
        for split in range(1, TRIALS + 1):
            for subset, ids in zip(("train", "test"), shot_lists.regdb_halves(benchmark, split), strict=True):
                for modality, name in FILE_NAMES["regdb"].items():
                    lines = _labelled((s for s in shots if s.modality == modality), ids)
                    write_text(folder / "idx" / f"{subset}_{name}_{split}.txt", lines)
        _write_annotations(folder, shots, benchmark)


def write_llcm(root: Path | str, benchmark: Benchmark, *, workers: int = 1, progress: Progress | None = None) -> None:
    """Render the LLCM layout: `idx/train_{vis,nir}.txt`, `idx/test_id.txt`, `test_{vis,nir}/cam<c>/<id>/*.jpg`.

    Raises:
        UserError: `root` exists and is not a rendered set, or validation identities are asked for.
    """
    if benchmark.llcm.val:
        raise UserError("benchmark.llcm.val: the LLCM layout has no validation identities; set it to 0")
    shots = shot_lists.llcm_shots(benchmark)
    with _replacing(Path(root), benchmark) as folder:
        render_files(benchmark, shots, folder, workers, progress)
        train = [shot for shot in shots if shot.subset == "train"]
        ids = sorted({shot.person_id for shot in train})
        for modality, name in FILE_NAMES["llcm"].items():
            lines = _labelled((s for s in train if s.modality == modality), ids)
            write_text(folder / "idx" / f"train_{name}.txt", lines)
        test_ids = sorted({shot.person_id for shot in shots if shot.subset == "test"})
        write_text(folder / "idx" / "test_id.txt", ",".join(map(str, test_ids)) + "\n")
        _write_annotations(folder, shots, benchmark)


def write_pretraining(
    folder: Path | str, benchmark: Benchmark, *, workers: int = 1, progress: Progress | None = None
) -> None:
    """Render `images.npy`, uint8 (images, height, width, 3), and `annotations.parquet`.

    Each image has two captions as it is (CAPTION_COLUMNS) and two of its grey copy (GREY_CAPTION_COLUMNS).

    Raises:
        UserError: `folder` exists and is not a rendered set.
    """
    shots = shot_lists.pretraining_shots(benchmark)
    with _replacing(Path(folder), benchmark) as target:
        shape = (len(shots), *benchmark.image_size, 3)
        blocks = render_arrays(benchmark, shots, workers, progress)
        write_pixels(target / PIXELS, shape, blocks, [shot.identity_key for shot in shots])
        _write_annotations(target, shots, benchmark, CAPTION_COLUMNS, GREY_CAPTION_COLUMNS)


def sysu_permutations(shots: Iterable[Shot], seed: int) -> np.ndarray:
    """The gallery draws of SYSU-MM01's official evaluation, as `rand_perm_cam.mat` nests them.

    Returns:
        Object array (cameras, 1) of object arrays (largest id, 1) of uint16 (10, images): ten permutations of the
        numbers of that person's images by that camera, (0, 0) where there are none.
    """
    numbers: dict[tuple[int, int], list[int]] = {}
    for shot in shots:
        numbers.setdefault((shot.camera_id, shot.person_id), []).append(shot.number)
    largest = max(person_id for _, person_id in numbers)
    cameras = camera_modalities("sysu_mm01")
    outer = np.empty((len(cameras), 1), dtype=object)
    for camera in cameras:
        outer[camera - 1, 0] = inner = np.empty((largest, 1), dtype=object)
        for person_id in range(1, largest + 1):
            images = numbers.get((camera, person_id), [])
            rng = np.random.default_rng(derive_seed(seed, "sysu_mm01", "gallery", camera, person_id))
            draws = [rng.permutation(images) for _ in range(TRIALS)] if images else np.empty((0, 0))
            inner[person_id - 1, 0] = np.array(draws, dtype=np.uint16)
    return outer


def _labelled(shots: Iterable[Shot], ids: Sequence[int]) -> str:
    """Lines `path label`; labels count from 0 within `ids`, as in the official lists."""
    labels = {person_id: index for index, person_id in enumerate(ids)}
    return "".join(f"{shot.path} {labels[shot.person_id]}\n" for shot in shots if shot.person_id in labels)


def _write_annotations(
    folder: Path,
    shots: Sequence[Shot],
    benchmark: Benchmark,
    captions: Sequence[str] = ("caption",),
    grey_captions: Sequence[str] = (),
) -> None:
    studio = Studio(benchmark)
    fields = ["subset", "path", "person_id", "camera_id", "modality", "identity_key", "camera_key"]
    held = fields if shots[0].path else [name for name in fields if name != "path"]
    frame = pd.DataFrame({name: [getattr(shot, name) for shot in shots] for name in held})
    for grey, columns in ((False, captions), (True, grey_captions)):
        written = [studio.captions(shot, len(columns), grey=grey) for shot in shots] if columns else []
        for column, name in enumerate(columns):
            frame[name] = [texts[column] for texts in written]
    for name in ATTRIBUTES:
        frame[name] = [studio.attributes(shot.identity_key)[name] for shot in shots]
    write_parquet(folder / ANNOTATIONS, frame)


def _write_mat(path: Path, variables: dict[str, np.ndarray]) -> None:
    """Write a MAT-file whose header does not contain the time of writing."""
    buffer = BytesIO()
    savemat(buffer, variables)
    path.write_bytes(b"MATLAB 5.0 MAT-file, embedded benchmark".ljust(116) + buffer.getvalue()[116:])


def _draws(folder: Path) -> list[Path]:
    """Rendered draws in the folder of their dataset, which stay where they are when its other images are replaced."""
    return [marker.parent for marker in folder.glob(f"draw_*/{MARKER}")]


@contextmanager
def _replacing(target: Path, benchmark: Benchmark) -> Iterator[Path]:
    """Yield an empty sibling folder that replaces `target` if the block ends without an error."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target}: is a file; give a folder for the rendered images")
    if target.is_dir() and not (target / MARKER).exists() and set(target.iterdir()) - set(_draws(target)):
        raise UserError(
            f"{target}: contains files that were not rendered (it has no {MARKER}); give another folder or empty it"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (target.with_name(f".{target.name}.{word}") for word in ("part", "old"))
    shutil.rmtree(fresh, ignore_errors=True)  # left by a killed run
    try:
        fresh.mkdir()
        marker = {"generator": GENERATOR, **benchmark.model_dump(mode="json")}
        write_text(fresh / MARKER, json.dumps(marker, indent=2) + "\n")
        yield fresh
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
        fresh.rename(target)
        for draw in _draws(old):
            draw.rename(target / draw.name)
    except OSError as error:
        raise cannot_write(target, error) or error from error
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
