"""Checkpoints of a training: written completely or not at all, verified before use, never those of other trainings.

A checkpoint is one safetensors file whose name contains the SHA-256 of its content, so that a single rename makes it
valid. Its folder is named after the digest of everything that the training depends on.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

import csdn
from csdn.artifacts.digests import canonical_json, sha256
from csdn.artifacts.files import atomic
from csdn.errors import UserError

KEPT = 2  # the newest, and the previous one in case the newest is damaged
COST_SHARE = 0.01  # largest share of the training's time spent on writing checkpoints
CODE = ("data", "jobs", "losses", "models", "training", "artifacts/cache_record.py", "seeding.py")
PACKAGES = ("numpy", "open_clip_torch", "torch")
ASIDE = "not_finite"
NAME = re.compile(r"step_(?P<step>\d{9})-(?P<digest>[0-9a-f]{64})\.safetensors")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """The saved state: tensors, and everything else as JSON values."""

    tensors: dict[str, np.ndarray]
    values: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: used by this training only; created with the first checkpoint.
        identity: what the training depends on, as JSON values by part (settings, inputs, code, ...). Checkpoints with
            another identity are never read.
        seconds: of training between two checkpoints; 0 writes one after every step, whatever it costs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], seconds: float) -> None:
        self._root = folder
        self._identity = dict(identity)
        self._folder = folder / hashlib.sha256(canonical_json(self._identity).encode()).hexdigest()[:16]
        self._seconds = seconds
        self._written, self._cost = time.monotonic(), 0.0

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint with this identity."""
        return bool(self._files())

    def due(self, *, epoch_ended: bool) -> bool:
        """Whether a checkpoint should be written: at the end of an epoch, or when `seconds` have passed.

        In both cases only while writing checkpoints takes at most a hundredth of the training's time.
        """
        wait = 0.0 if epoch_ended else self._seconds
        return self._seconds == 0 or time.monotonic() - self._written >= max(wait, self._cost / COST_SHARE)

    def load(self) -> Checkpoint | None:
        """The newest intact checkpoint, or None. Damaged ones and other trainings' are ignored with a warning."""
        files = self._files()
        for path in files:
            with suppress(SafetensorError, OSError, ValueError, KeyError):
                if sha256(path) == _parts(path)["digest"]:
                    found = _read(path)
                    log.warning("continuing after step %d, from %s", int(_parts(path)["step"]), path)
                    return found
            log.warning("%s is damaged and is ignored", path)
            path.unlink(missing_ok=True)
        if files:
            log.warning("no checkpoint in %s is intact; starting from the beginning", self._folder)
        else:
            self._report_other_trainings()
        return None

    def save(self, checkpoint: Checkpoint, step: int) -> None:
        """Write a checkpoint and delete all but the last two. If that fails, training continues with a warning."""
        start = time.monotonic()
        try:
            self._write(self._folder, checkpoint, step)
            for old in self._files()[KEPT:]:
                old.unlink()
        except (OSError, UserError) as error:
            log.warning("checkpoint of step %d not written (%s); training continues", step, error)
        self._written = time.monotonic()
        self._cost = self._written - start

    def keep_aside(self, checkpoint: Checkpoint, step: int) -> Path | None:
        """Write a checkpoint for inspection; training never continues from it. None if it cannot be written."""
        folder = self._root / ASIDE
        try:
            for old in folder.glob("*"):
                old.unlink()
            return self._write(folder, checkpoint, step)
        except (OSError, UserError) as error:
            log.warning("checkpoint of step %d not written (%s)", step, error)
            return None

    def remove(self) -> None:
        """Remove every checkpoint of this training, including those of other settings, because it has succeeded."""
        shutil.rmtree(self._root, ignore_errors=True)
        with suppress(OSError):
            self._root.parent.rmdir()  # fails if other trainings have checkpoints there

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock this training: a process left behind by a killed run may still be working on it."""
        lock = _lock(self._root)
        try:
            for path in self._root.rglob(".*.part"):  # left by a killed process: nobody else writes here
                path.unlink()
            yield
        finally:
            if not any(path.is_file() for path in self._root.rglob("*.safetensors")):
                self.remove()
            lock.release()

    def _files(self) -> list[Path]:
        return sorted((path for path in self._folder.glob("*") if NAME.fullmatch(path.name)), reverse=True)

    def _write(self, folder: Path, checkpoint: Checkpoint, step: int) -> Path:
        metadata = {"identity": canonical_json(self._identity), "values": json.dumps(checkpoint.values)}
        content = save(checkpoint.tensors, metadata)
        path = folder / f"step_{step:09d}-{hashlib.sha256(content).hexdigest()}.safetensors"
        with atomic(path) as temporary:
            temporary.write_bytes(content)
        return path

    def _report_other_trainings(self) -> None:
        newest = {path.parent: path for path in sorted(self._root.glob("*/step_*.safetensors"))}
        for path in (path for folder, path in newest.items() if folder.name != ASIDE):
            with suppress(SafetensorError, OSError, ValueError, KeyError):
                other = json.loads(_metadata(path)["identity"])
                parts = [name for name in self._identity if other.get(name) != self._identity[name]]
                log.warning("ignoring %s, which has other %s; starting from the beginning", path, " and ".join(parts))


def training_identity(
    settings: Mapping[str, Any], inputs: Mapping[str, str], device: str, precision: str = "fp32"
) -> dict[str, Any]:
    """What a training depends on: its settings, its inputs' digests, its code, packages, device and precision."""
    return {
        "settings": dict(settings),
        "inputs": dict(sorted(inputs.items())),
        "code": _code_digest(),
        "packages": {name: version(name) for name in PACKAGES},
        "device": device,
        "precision": precision,
    }


def _code_digest() -> str:
    root = Path(csdn.__file__).parent
    files = [file for name in CODE for file in (sorted((root / name).rglob("*.py")) or [root / name])]
    content = hashlib.sha256()
    for file in files:
        content.update(file.read_bytes())
    return content.hexdigest()


def _parts(path: Path) -> re.Match[str]:
    match = NAME.fullmatch(path.name)
    assert match
    return match


def _metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="np") as file:
        return file.metadata()


def _read(path: Path) -> Checkpoint:
    with safe_open(path, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return Checkpoint(tensors, json.loads(file.metadata()["values"]))


def _lock(folder: Path) -> FileLock:
    """Lock the folder's lock file, waiting for whoever holds it."""
    path = folder / ".lock"
    lock = FileLock(path)
    while not lock.is_locked:
        with suppress(FileNotFoundError):  # whoever held it has just removed the folder
            folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                owner = path.read_text() or "unknown"
                log.warning("%s: process %s is working on this training; waiting until it ends", folder, owner)
                lock.acquire()
    path.write_text(str(os.getpid()))
    return lock
