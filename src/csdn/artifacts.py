"""Files that are whole or absent: atomic writes, safe formats, and the provenance beside every result."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csdn.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

# Metadata of an encoder whose epoch was chosen on the test set, and of what is made with it.
SELECTED_ON_TEST = {"selected_on": "test"}
PACKAGES = ("csdn", "numpy", "torch", "open_clip_torch", "pandas", "scipy", "pillow", "snakemake", "mlflow")


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the same folder and rename it onto `path` when the block ends without an error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
    arrays = {
        name: value.detach().cpu().numpy() if hasattr(value, "detach") else value for name, value in tensors.items()
    }
    import numpy as np
    from safetensors.numpy import save_file

    with atomic(path) as temporary:
        save_file({name: np.asarray(a, order="C") for name, a in arrays.items()}, temporary, dict(metadata or {}))


def read_tensors(path: Path | str) -> dict[str, np.ndarray]:
    """Read a safetensors file as NumPy arrays.

    Raises:
        UserError: the file is missing or is not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    with readable(path), _as_user_error(path, SafetensorError, ValueError):
        return load_file(path)


def selected_on_test(path: Path | str) -> bool:
    """Whether the safetensors file comes from an encoder whose epoch was chosen on the test set.

    Raises:
        UserError: the file is missing or is not a safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    with readable(path), _as_user_error(path, SafetensorError, ValueError), safe_open(path, "numpy") as content:
        return SELECTED_ON_TEST.items() <= (content.metadata() or {}).items()


def read_json(path: Path | str) -> Any:
    """Read JSON.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    with readable(path), _as_user_error(path, ValueError):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def read_parquet(path: Path | str) -> pd.DataFrame:
    """Read a Parquet table.

    Raises:
        UserError: the file is missing or is not Parquet.
    """
    import pandas as pd
    import pyarrow

    with readable(path), _as_user_error(path, pyarrow.ArrowInvalid, ValueError):
        return pd.read_parquet(path)


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """Turn a missing or unreadable file into a UserError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; run the step that writes it first (`snakemake {path}`)") from error
    except OSError as error:  # a folder, no permission, no such device
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file that can be read") from error


@contextmanager
def _as_user_error(path: Path | str, *kinds: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kinds as error:
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: cannot be read ({first}); delete it and run the step that writes it again") from error


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def provenance(step: Mapping[str, Any], inputs: Mapping[str, Path | str]) -> dict[str, Any]:
    """What a result came from: the step's parameters, its inputs' digests, code and machine.

    Times are left out so that the same inputs give the same record.
    """
    return {
        "parameters": dict(step),
        "inputs": {
            name: {"path": Path(path).as_posix(), "sha256": sha256(path)} for name, path in sorted(inputs.items())
        },
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": {"system": platform.system(), "processor": platform.machine(), "cpus": os.cpu_count()},
    }


def write_provenance(output: Path | str, step: Mapping[str, Any], inputs: Mapping[str, Path | str]) -> None:
    """Write `<output>.provenance.json` beside a result."""
    write_json(f"{output}.provenance.json", provenance(step, inputs))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
