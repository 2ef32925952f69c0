"""Reading MATLAB files, with errors that say what to do."""

from __future__ import annotations

import faulthandler
import os
import signal
from pathlib import Path
from typing import Any

from csdn.errors import UserError, first_line

MAX_SECONDS = 600  # for reading a file


def read_matlab(path: Path | str) -> dict[str, Any]:
    """Variables of a MATLAB file (not of version 7.3).

    Raises:
        UserError: the file is missing or cannot be read.
    """
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; give the MATLAB file")
    if _crashes(path):
        raise UserError(f"{path}: is damaged, and reading it crashes; save it again with -v7")
    try:
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise UserError(f"{path}: is a MATLAB 7.3 file; save it with -v7") from error
    except Exception as error:  # a damaged file can raise nearly anything
        raise UserError(f"{path}: cannot be read as a MATLAB file ({first_line(error)}); save it with -v7") from error


def _crashes(path: Path | str) -> bool:
    """Whether reading the file crashes the process, as scipy does with some damaged files; tried in a fork."""
    from scipy.io import loadmat

    child = os.fork()
    if child == 0:
        faulthandler.disable()
        signal.alarm(MAX_SECONDS)  # also ends the process
        try:
            loadmat(path)
        finally:
            os._exit(0)  # not a crash: if it raised, the parent will get the exception too
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
