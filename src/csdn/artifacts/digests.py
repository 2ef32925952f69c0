"""What identifies the content of files and values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from csdn.artifacts.cache_record import recorded_digest


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def digest(path: Path | str) -> str:
    """What identifies a file's content: its SHA-256, or that of the digests of its blocks where they were recorded.

    The pixel cache has such a record (csdn.artifacts.cache_record), for it may be too large to be read for each job.
    """
    return recorded_digest(Path(path)) or sha256(path)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
