"""Reading MATLAB files, with errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from csdn.errors import UserError


def read_matlab(path: Path | str) -> dict[str, Any]:
    """Variables of a MATLAB file (not of version 7.3).

    Raises:
        UserError: the file is missing or cannot be read.
    """
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; give the MATLAB file")
    try:
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise UserError(f"{path}: is a MATLAB 7.3 file; save it with -v7") from error
    except Exception as error:  # damaged files raise exceptions of many kinds
        raise UserError(
            f"{path}: is no MATLAB file that can be read ({first_line(error)}); save it with -v7"
        ) from error


def first_line(error: Exception) -> str:
    """First line of an error's message, or its kind if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
