"""The record beside a pixel cache: what it holds, so that a truncated, edited or foreign one is noticed cheaply.

Imports nothing heavy, for the workflow asks about every cache before it plans.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ENDING = ".blocks.json"
HOW_TO_REPAIR = "delete it and run again: `scripts/snake` writes a new one, as does `csdn index-images`"
BLOCK_BYTES = 8 * 2**20
SAMPLED_BLOCKS = 8  # verified when a cache of more blocks is opened: a few hundredths of a second


@dataclass(frozen=True)
class CacheRecord:
    """What a pixel cache holds.

    Attributes:
        size: bytes of the whole file.
        images: SHA-256 of the paths of its rows, in order, one a line.
        blocks: SHA-256 of each BLOCK_BYTES of the file, the last one shorter.
    """

    size: int
    images: str
    blocks: tuple[str, ...]

    def digest(self) -> str:
        """Identifies the content: SHA-256 of the blocks' digests and the paths."""
        return hashlib.sha256("\n".join([self.images, *self.blocks]).encode()).hexdigest()

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


class BlockDigests:
    """Digests of the blocks of a file that is written piece by piece."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._open = hashlib.sha256()
        self._filled = 0
        self.size = 0

    def update(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        self.size += len(view)
        while len(view):
            part = view[: BLOCK_BYTES - self._filled]
            self._open.update(part)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == BLOCK_BYTES:
                self._close()

    def record(self, paths: Iterable[str]) -> CacheRecord:
        """The record of all that was appended, for a cache of the images `paths`."""
        if self._filled:
            self._close()
        return CacheRecord(self.size, digest_of_paths(paths), tuple(self._done))

    def _close(self) -> None:
        self._done.append(self._open.hexdigest())
        self._open, self._filled = hashlib.sha256(), 0


def digest_of_paths(paths: Iterable[str]) -> str:
    """SHA-256 of the images' paths in order, one a line."""
    return hashlib.sha256("".join(f"{path}\n" for path in paths).encode()).hexdigest()


def record_path(cache: Path) -> Path:
    """Where the record of a cache lies."""
    return cache.with_name(cache.name + ENDING)


def read_record(cache: Path) -> CacheRecord | None:
    """The record of a cache; None if there is none that can be read."""
    try:
        values = json.loads(record_path(cache).read_text(encoding="utf-8"))
        return CacheRecord(int(values["size"]), str(values["images"]), tuple(map(str, values["blocks"])))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def recorded_digest(cache: Path) -> str | None:
    """The digest of a cache by its record, if it has one and its size is the recorded one."""
    if cache.suffix != ".npy":
        return None
    record = read_record(cache)
    return record.digest() if record and cache.stat().st_size == record.size else None


def find_damage(cache: Path, *, whole: bool = False) -> str | None:
    """What is wrong with a cache that should be there; None if it is as recorded.

    Args:
        cache: the file.
        whole: read all of it; else its size and up to SAMPLED_BLOCKS blocks, the first and the last among them.
    """
    record = read_record(cache)
    if record is None:
        return f"has no record {cache.name}{ENDING}, so it was not written by this version of csdn"
    try:
        size = cache.stat().st_size
        if size != record.size:
            return f"has {size} bytes of {record.size}"
        with cache.open("rb") as handle:
            for block in range(len(record.blocks)) if whole else sampled(record.blocks):
                handle.seek(block * BLOCK_BYTES)
                if hashlib.sha256(handle.read(BLOCK_BYTES)).hexdigest() != record.blocks[block]:
                    return f"was changed after it was written (block {block} of {len(record.blocks)})"
    except OSError as error:
        return f"cannot be read ({os.strerror(error.errno or 0)})"
    return None


def sampled(blocks: Sequence[str]) -> list[int]:
    """Up to SAMPLED_BLOCKS blocks spread evenly, the first and the last among them."""
    last, count = len(blocks) - 1, min(SAMPLED_BLOCKS, len(blocks))
    return sorted({round(n * last / max(count - 1, 1)) for n in range(count)})
