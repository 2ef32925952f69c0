"""Reading MATLAB files, with errors that say what to do."""

from __future__ import annotations

import faulthandler
import os
import signal
from pathlib import Path
from typing import Any

from csdn.errors import UserError, first_line

LONGEST = 600  # seconds that reading may take


def read_matlab(path: Path | str) -> dict[str, Any]:
    """Variables of a MATLAB file (not of version 7.3).

    Raises:
        UserError: the file is missing or cannot be read.
    """
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise UserError(f"{path}: no such file; give the MATLAB file")
    if _crashes(path):
        raise UserError(f"{path}: is damaged, reading it ends the process; save it again with -v7")
    try:
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError as error:
        raise UserError(f"{path}: is a MATLAB 7.3 file; save it with -v7") from error
    except Exception as error:  # damaged files raise exceptions of many kinds
        raise UserError(
            f"{path}: is no MATLAB file that can be read ({first_line(error)}); save it with -v7"
        ) from error


def _crashes(path: Path | str) -> bool:
    """Whether reading the file ends the process, as some damaged files do within scipy: tried in a fork first."""
    from scipy.io import loadmat

    child = os.fork()
    if child == 0:
        faulthandler.disable()
        signal.alarm(LONGEST)  # ends the process, too
        try:
            loadmat(path)
        finally:
            os._exit(0)  # an exception is for the parent, which reads the file again
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
