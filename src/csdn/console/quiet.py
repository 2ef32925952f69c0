"""`csdn --quiet`: no progress, no tables; the names of the files written, and what goes wrong."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

FLAG, VARIABLE = "--quiet", "CSDN_QUIET"
ASKED_FOR = ("--json", "--help", "--version", "--show-completion", "--install-completion")  # printed all the same
OUTPUTS = ("--output", "--curves")
OUTPUTS_OF = {"index-images": ("--index", "--cache")}  # inputs of every other command


def is_quiet() -> bool:
    """Whether CSDN_QUIET is set, by the user or by `--quiet`."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


@contextlib.contextmanager
def quietly(arguments: Sequence[str]) -> Iterator[None]:
    """Where `is_quiet`, discard standard output of the block and, once it has succeeded, print the files it wrote."""
    if not is_quiet() or any(word in ASKED_FOR for word in arguments):
        yield
        return
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield
    for name in written(arguments):
        print(name)


def written(arguments: Sequence[str]) -> list[str]:
    """Files and folders among the arguments that a command writes and that are there."""
    options = OUTPUTS + next((names for command, names in OUTPUTS_OF.items() if command in arguments), ())
    pairs = [*(word.split("=", 1) for word in arguments if "=" in word), *itertools.pairwise(arguments)]
    values = [value for option, value in pairs if option in options]
    return [value for value in dict.fromkeys(values) if Path(value).exists()]
