"""The one exception for what a user can fix, and the one way to warn."""

from __future__ import annotations

import errno
import os
import re
import sys
from pathlib import Path

_REMEDIES = {
    errno.ENOSPC: "free space on that disk and run the step again",
    errno.EDQUOT: "free space in your quota and run the step again",
    errno.EFBIG: "raise the largest file size (`ulimit -f`) or choose another file system, and run the step again",
    errno.EROFS: "choose a folder that can be written (runtime.results, runtime.data)",
    errno.EACCES: "choose a folder that you may write (runtime.results, runtime.data), or change its permissions",
    errno.EPERM: "choose a folder that you may write (runtime.results, runtime.data), or change its permissions",
    errno.ENOTDIR: "a part of the path is a file; move that away or choose another path",
    errno.EEXIST: "a part of the path is a file; move that away or choose another path",
    errno.EISDIR: "it is a folder; move that away or choose another path",
    errno.ENOTEMPTY: "it is a folder; move that away or choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EIO: "the disk is failing; check it, or choose another",
    errno.EMFILE: "raise the number of open files (`ulimit -n`) and run the step again",
}


class UserError(Exception):
    """Wrong input, configuration or file: shown as one line that names it and the remedy; exit code 2."""


class NotFiniteError(UserError, FloatingPointError):
    """A loss became NaN or infinite."""


def warn(text: str) -> None:
    """Print a warning as one line on standard error: the result is valid, but the user should know."""
    print(f"csdn: warning: {text}", file=sys.stderr)


def printable(text: str) -> str:
    """`text` in one line, without characters that control a terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def cannot_write(path: Path | str, error: Exception) -> UserError | None:
    """The error to show for a failed write of `path`; None if `error` has another cause.

    Libraries written in Rust (safetensors) raise their own errors, which have the system's number in their text.
    """
    number = getattr(error, "errno", None)
    if number is None:
        found = re.search(r"(?:os error|code:) (\d+)", str(error))
        number = int(found[1]) if found else None
    if number not in _REMEDIES:
        return None
    return UserError(f"{path}: cannot be written ({os.strerror(number)}); {_REMEDIES[number]}")
