"""Files that are whole or absent: atomic writes, safe formats, and the provenance beside every result."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csdn.errors import UserError, cannot_write, first_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Metadata of an encoder whose epoch was chosen on the test set, and of what is made with it.
SELECTED_ON_TEST = {"selected_on": "test"}
PART = ".part"  # ending of a file that is being written
_HOST = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]  # a process number means nothing elsewhere


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder and rename it onto `path` when the block ends without an error.

    File and folder are flushed to the disk, so that after a power cut too the file is whole or absent.

    Raises:
        UserError: the disk is full, read-only or the folder may not be written; the old file, if any, stays.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{_HOST}.{os.getpid()}{PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except Exception as error:
        if _is_about(error, path, temporary) and (told := cannot_write(path, error)):
            raise told from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _is_about(error: Exception, path: Path, temporary: Path) -> bool:
    """Whether an error is about writing `path`: the block may read other files, too."""
    if isinstance(error, UserError):
        return False
    name = getattr(error, "filename", None)
    return name is None or Path(os.fsdecode(name)) in (path, temporary, *path.parents)


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of `path` whose process, on this machine, was killed."""
    from psutil import pid_exists

    for part in path.parent.glob(f".{glob.escape(path.name)}.{_HOST}.*{PART}"):
        number = part.name.removesuffix(PART).rpartition(".")[2]
        if number.isdecimal() and not pid_exists(int(number)):
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, where the file system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are errors, for they are not JSON."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_parquet(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a table as Parquet atomically."""
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)


def write_csv(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a table as CSV atomically."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False)


def write_tensors(path: Path | str, tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> None:
    """Write torch tensors or NumPy arrays as safetensors atomically."""
    import numpy as np
    from safetensors.numpy import save_file

    arrays = {name: value.detach().cpu() if hasattr(value, "detach") else value for name, value in tensors.items()}
    with atomic(path) as temporary:
        save_file({name: np.asarray(a, order="C") for name, a in arrays.items()}, temporary, dict(metadata or {}))


def read_tensors(path: Path | str) -> dict[str, np.ndarray]:
    """Read a safetensors file as NumPy arrays.

    Raises:
        UserError: the file is missing or is not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    with readable(path, SafetensorError, ValueError):
        return load_file(path)


def selected_on_test(path: Path | str) -> bool:
    """Whether the safetensors file comes from an encoder whose epoch was chosen on the test set.

    Raises:
        UserError: the file is missing or is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    with readable(path, SafetensorError, ValueError), safe_open(path, "numpy") as content:
        return SELECTED_ON_TEST.items() <= (content.metadata() or {}).items()


def read_json(path: Path | str) -> Any:
    """Read JSON.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    with readable(path, ValueError):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def read_parquet(path: Path | str) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        UserError: the file is missing or is not Parquet.
    """
    import pandas as pd

    with readable(path, ValueError):
        return pd.read_parquet(path)


@contextmanager
def readable(path: Path | str, *damaged: type[Exception]) -> Iterator[None]:
    """Turn a missing or unreadable file, and what a reader raises of a damaged one, into a UserError that names it."""
    try:
        yield
    except damaged as error:
        raise UserError(
            f"{path}: cannot be read ({first_line(error)}); delete it and run the step that writes it again"
        ) from error
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the step that writes it first (`snakemake {path}`)") from error
    except OSError as error:  # a folder, no permission, no such device
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file that can be read") from error
