"""Checkpoints of a training: written whole or not at all, verified before they are read, never of another training.

A checkpoint is one safetensors file whose name carries the SHA-256 of its content, so that a single rename makes it
valid. Checkpoints lie in a folder named after the digest of what the training depends on.
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

KEPT = 2  # the newest, and the one before it in case the newest is damaged
COST_SHARE = 0.01  # of the training's time, which writing checkpoints may take
CODE = ("data", "jobs", "losses", "models", "training", "artifacts/cache_record.py", "seeding.py")
PACKAGES = ("numpy", "open_clip_torch", "torch")
ASIDE = "not_finite"
NAME = re.compile(r"step_(?P<step>\d{9})-(?P<digest>[0-9a-f]{64})\.safetensors")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """What was saved: tensors, and everything else as JSON values."""

    tensors: dict[str, np.ndarray]
    values: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: of this training alone; made when the first checkpoint is written.
        identity: what the training depends on, as JSON values by part (settings, inputs, code, ...). Checkpoints of
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
        """Whether there is a checkpoint of this very training."""
        return bool(self._files())

    def due(self, *, epoch_ended: bool) -> bool:
        """Whether it is time for a checkpoint: at the end of an epoch, or when `seconds` have passed.

        Either only as long as writing takes no more than a hundredth of the training's time.
        """
        wait = 0.0 if epoch_ended else self._seconds
        return self._seconds == 0 or time.monotonic() - self._written >= max(wait, self._cost / COST_SHARE)

    def load(self) -> Checkpoint | None:
        """The newest checkpoint that is whole, or None. What is damaged or of another training is told and ignored."""
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
            log.warning("no checkpoint in %s is whole; starting anew", self._folder)
        else:
            self._tell_of_others()
        return None

    def save(self, checkpoint: Checkpoint, step: int) -> None:
        """Write a checkpoint and drop all but the last two. A disk that refuses does not stop the training."""
        start = time.monotonic()
        try:
            self._write(self._folder, checkpoint, step)
            for old in self._files()[KEPT:]:
                old.unlink()
        except (OSError, UserError) as error:
            log.warning("checkpoint of step %d not written (%s); the training goes on", step, error)
        self._written = time.monotonic()
        self._cost = self._written - start

    def keep_aside(self, checkpoint: Checkpoint, step: int) -> Path | None:
        """Write a checkpoint to look at; training never continues from it. None where the disk refuses."""
        folder = self._root / ASIDE
        try:
            for old in folder.glob("*"):
                old.unlink()
            return self._write(folder, checkpoint, step)
        except (OSError, UserError) as error:
            log.warning("checkpoint of step %d not written (%s)", step, error)
            return None

    def remove(self) -> None:
        """Remove every checkpoint of this training, also those of other settings: it has succeeded."""
        shutil.rmtree(self._root, ignore_errors=True)
        with suppress(OSError):
            self._root.parent.rmdir()  # unless another training has its checkpoints there

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this training alone: a process that a killed run left behind may still be at work on it."""
        lock = _lock(self._root)
        try:
            for path in self._root.rglob(".*.part"):  # nobody else writes here: of a process that was killed
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

    def _tell_of_others(self) -> None:
        newest = {path.parent: path for path in sorted(self._root.glob("*/step_*.safetensors"))}
        for path in (path for folder, path in newest.items() if folder.name != ASIDE):
            with suppress(SafetensorError, OSError, ValueError, KeyError):
                other = json.loads(_metadata(path)["identity"])
                parts = [name for name in self._identity if other.get(name) != self._identity[name]]
                log.warning("%s is of other %s and is ignored; starting anew", path, " and ".join(parts))


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
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
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
                log.warning("%s: process %s is at work on this training; waiting until it ends", folder, owner)
                lock.acquire()
    path.write_text(str(os.getpid()))
    return lock
