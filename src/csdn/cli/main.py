"""The command line: parses, calls one function of csdn.jobs per subcommand, prints one-line errors."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from csdn.cli import data, evaluation, reporting, training, use
from csdn.console import quiet
from csdn.errors import UserError, cannot_write, printable, warn

# Typer carries its own copy of click, whose base class of wrong usage has no public name of its own.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="csdn",
    help="CLIP-driven visible-infrared person re-identification, one subcommand a step of the pipeline.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for phase in (data, training, evaluation, reporting, use):
    app.add_typer(phase.app)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", envvar="CSDN_DEBUG", help="Show an error's traceback.")] = False,
    be_quiet: Annotated[
        bool, typer.Option(quiet.FLAG, envvar=quiet.VARIABLE, help="No progress and no tables; only files and errors.")
    ] = False,
) -> None:
    """CLIP-driven visible-infrared person re-identification, one subcommand a step of the pipeline."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; wrong input is one line on standard error and exit code 2, any other failure 1.

    Anywhere among the arguments, `--debug` (or `CSDN_DEBUG=1`) shows tracebacks, and `--quiet` (or `CSDN_QUIET=1`)
    leaves only the names of the files written, warnings and errors.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given or os.environ.get("CSDN_DEBUG", "") not in ("", "0")
    if quiet.FLAG in given:
        os.environ[quiet.VARIABLE] = "1"
    try:
        with quiet.quietly(given):
            words = _respelled([word for word in given if word not in ("--debug", quiet.FLAG)])
            code = app(args=words, standalone_mode=False)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _fail(*_told(error))
    sys.exit(code if isinstance(code, int) else 0)


def _respelled(words: list[str]) -> list[str]:
    """`score-retrieval --features` as `score-features`, which it was before that had a name of its own."""
    old = words[:1] == ["score-retrieval"] and any(word.split("=")[0] == "--features" for word in words)
    if old:
        warn("`csdn score-retrieval --features` is now `csdn score-features`")
    return ["score-features", *words[1:]] if old else words


def _told(error: Exception) -> tuple[str, int]:
    """What to say about an error, and the exit code."""
    if isinstance(error, UserError):
        return str(error), 2
    if isinstance(error, UsageError):
        message = error.format_message().rstrip(".")  # empty when plain `csdn` has printed its help
        return f"{message}; see `csdn --help`" if message else "", 2
    if isinstance(error, typer.Abort):
        return "interrupted", 130
    if isinstance(error, FloatingPointError):
        return str(error), 1
    if isinstance(error, MemoryError):
        return "out of memory; use a smaller batch or a machine with more", 1
    if isinstance(error, OSError) and (told := cannot_write(error.filename or "a file", error)):
        return str(told), 2
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = " ".join(str(error).split())[:300]
    return (
        f"unexpected {type(error).__name__} in {Path(where.filename).name}:{where.lineno}: {what}; "
        "this is a fault of csdn: run again with --debug and report what it prints",
        1,
    )


def _fail(message: str, code: int) -> NoReturn:
    for line in filter(None, message.split("\n")):
        print(f"csdn: {printable(line)}", file=sys.stderr)
    sys.exit(code)
