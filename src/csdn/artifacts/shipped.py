"""The small CLIP that comes with csdn, and the record of how it was made."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from csdn.artifacts.digests import sha256
from csdn.artifacts.records import RECORD, record_of
from csdn.errors import UserError

SHIPPED_CLIP = Path(__file__).parents[1] / "models" / "shipped" / "clip_mini.safetensors"


@cache
def shipped_record() -> dict[str, Any]:
    """The record beside the shipped CLIP: `parameters` with its recipe, and digests of what belongs to it.

    Raises:
        UserError: the installation lacks it.
    """
    if not SHIPPED_CLIP.with_name(SHIPPED_CLIP.name + RECORD).is_file():
        raise UserError(f"{SHIPPED_CLIP}: has no record; install csdn again, or set clip.weights to `mini`")
    return record_of(SHIPPED_CLIP)


def shipped_digest() -> str:
    """SHA-256 of the shipped CLIP according to its record; part of the settings of what starts from it."""
    return str(shipped_record()["outputs"][SHIPPED_CLIP.name])


def checked_shipped_clip() -> Path:
    """The file of the shipped CLIP.

    Raises:
        UserError: it is missing, or is not the file of its record.
    """
    if not SHIPPED_CLIP.is_file():
        raise UserError(f"{SHIPPED_CLIP}: is missing; install csdn again, or set clip.weights to `mini` to train one")
    if sha256(SHIPPED_CLIP) != shipped_digest():
        raise UserError(f"{SHIPPED_CLIP}: was changed after it was written; install csdn again")
    return SHIPPED_CLIP
