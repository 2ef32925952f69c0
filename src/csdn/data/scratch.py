"""Copies of pixel caches on a node's own disk: training reads them in random order, which is slow on shared disks.

A copy's folder is named after the cache's content, so another cache never takes its place. The first job on a node
makes the copy, verifying it block by block, while the other jobs wait for it.
"""

from __future__ import annotations

import os
from pathlib import Path

from filelock import FileLock

from csdn.artifacts.cache_record import (
    BLOCK_BYTES,
    HOW_TO_REPAIR,
    BlockDigests,
    CacheRecord,
    find_damage,
    read_record,
    record_path,
)
from csdn.errors import UserError, first_line, warn


def local_copy(cache: Path, folder: str | None) -> Path:
    """The copy of `cache` on this node's scratch disk, made if necessary; `cache` itself if no such disk is set.

    Args:
        cache: the pixel cache.
        folder: `runtime.scratch`; variables in it are expanded on the node.

    If the scratch disk is full or cannot be written, the job is slower but does not fail: a warning says so.

    Raises:
        UserError: the cache is damaged.
    """
    folder = os.path.expandvars(folder or "")
    record = read_record(cache)
    if not folder or record is None:
        return cache
    if "$" in folder:
        warn(f"runtime.scratch: {folder} names a variable that is not set on this node; {cache} is read where it is")
        return cache
    copy = Path(folder) / "csdn" / record.digest()[:32] / cache.name
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(copy.parent / ".lock"):
            if not copy.is_file() or read_record(copy) != record or find_damage(copy) is not None:
                _copy(cache, copy, record)
    except OSError as error:
        warn(f"runtime.scratch: {folder} cannot be used ({first_line(error)}); {cache} is read where it is")
        return cache
    return copy


def _copy(cache: Path, copy: Path, record: CacheRecord) -> None:
    """Copy and verify: the copy is either exactly what the record says or not made at all."""
    read = BlockDigests()
    copy.unlink(missing_ok=True)
    temporary = copy.with_name(f"{copy.name}.tmp")  # the lock is held, so no other process uses this name
    try:
        with cache.open("rb") as source, temporary.open("wb") as target:
            while data := source.read(BLOCK_BYTES):
                read.update(data)
                target.write(data)
        if read.record([]).blocks != record.blocks:
            raise UserError(f"{cache}: was changed after it was written; {HOW_TO_REPAIR}")
        record_path(copy).write_text(record.text(), encoding="utf-8")
        temporary.replace(copy)
    finally:
        temporary.unlink(missing_ok=True)
