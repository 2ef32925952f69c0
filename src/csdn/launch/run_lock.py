"""One run of the pipeline at a time in a folder, however it was started; the lock of a killed run is no obstacle."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from filelock import lock_descriptor

from csdn.errors import UserError

VARIABLE = "CSDN_RUN_LOCK"  # the open file with which scripts/snake holds the lock already
LOCK = Path(".snakemake/run.flock")
DVC_LOCK = Path(".dvc/tmp/lock")  # DVC holds it, but not while a stage's command runs


def hold_run_lock(folder: Path | str = ".") -> int:
    """Lock `folder` for this run and remove what locked it for Snakemake: whoever made that is dead.

    The kernel releases the lock with the process, however it ends.

    Returns:
        The open file that holds the lock; close it to release the lock.

    Raises:
        UserError: another run, or DVC, is at work in the folder.
    """
    root = Path(folder).resolve()
    handle = _inherited(root / LOCK)
    if handle is None:
        (root / LOCK).parent.mkdir(exist_ok=True)
        handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not lock_descriptor(handle, blocking=False):
            owner = os.pread(handle, 32, 0).decode(errors="replace")
            process = f" (process {owner})" if owner else ""
            raise UserError(f"another run of the pipeline is active in {root}{process}; wait for it or stop it")
        if _is_held(root / DVC_LOCK):
            raise UserError(f"DVC is at work in {root}; wait for it or stop it")
    except UserError:
        os.close(handle)
        raise
    os.set_inheritable(handle, False)  # jobs that outlive this process must not hold it
    os.truncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    for lock in (root / ".snakemake/locks").glob("*.lock"):
        lock.unlink(missing_ok=True)
    return handle


def _inherited(path: Path) -> int | None:
    """The open lock file that this process was started with, if it is that of this folder."""
    number = os.environ.get(VARIABLE, "")
    with suppress(OSError):
        if number.isdecimal() and os.path.samestat(os.fstat(int(number)), path.stat()):
            return int(number)
    return None


def _is_held(path: Path) -> bool:
    with suppress(FileNotFoundError):
        handle = os.open(path, os.O_RDWR)
        try:
            return not lock_descriptor(handle, blocking=False)
        finally:
            os.close(handle)
    return False
