"""`csdn --quiet`: no progress, no tables; the names of the files written, and what goes wrong."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

FLAG, VARIABLE = "--quiet", "CSDN_QUIET"
ASKED_FOR = ("--json", "--help", "--version", "--show-completion", "--install-completion")  # printed all the same
_outputs: ContextVar[list[Path]] = ContextVar("outputs")


def is_quiet() -> bool:
    """Whether CSDN_QUIET is set, by the user or by `--quiet`."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def note_output(path: Path | None) -> Path | None:
    """Callback of an option that names a file or folder to write: `quietly` prints it."""
    if path is not None:
        _outputs.get([]).append(path)
    return path


@contextlib.contextmanager
def quietly(arguments: Sequence[str]) -> Iterator[None]:
    """Where `is_quiet`, discard standard output of the block and, once it has succeeded, print the outputs it wrote."""
    if not is_quiet() or any(word in ASKED_FOR for word in arguments):
        yield
        return
    outputs: list[Path] = []
    noting = _outputs.set(outputs)
    try:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield
    finally:
        _outputs.reset(noting)
    for path in filter(Path.exists, outputs):
        print(path)
