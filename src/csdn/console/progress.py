"""Progress bars on standard error, silent where it is not a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from csdn.console.quiet import is_quiet

Advance = Callable[[int], None]


@contextmanager
def progress(description: str, total: int, unit: str) -> Iterator[Advance]:
    """Show a bar of `total` units and yield the function that advances it.

    Units a second and the time left are shown. Nothing is printed when standard error is no terminal, as in a log, nor
    with `--quiet`.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[unit]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=is_quiet() or not console.is_terminal) as bar:
        task = bar.add_task(description, total=total, unit=unit, rate="")

        def advance(count: int) -> None:
            bar.advance(task, count)
            speed = bar.tasks[task].speed
            bar.update(task, rate=f"{speed:.3g} {unit}/s" if speed else "")

        yield advance
