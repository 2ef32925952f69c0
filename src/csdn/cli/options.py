"""Options that several subcommands have, and the settings that they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from csdn.console.quiet import note_output

ParamsOption = Annotated[
    list[str], typer.Option("--params", help="YAML file (repeat to lay over), or a step's settings as JSON text.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Name under `datasets`.")]
SplitOption = Annotated[str | None, typer.Option("--split", help="`default`, 1..10 for RegDB, or a draw.")]
VariantOption = Annotated[str | None, typer.Option("--variant", help="Name under `variants`.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the run.")]
IndexOption = Annotated[Path, typer.Option("--index", help="Image index written by index-images.")]
CacheOption = Annotated[Path, typer.Option("--cache", help="Pixel cache written by index-images.")]
ClipOption = Annotated[Path | None, typer.Option("--clip", help="Weights of the small CLIP, where it is used.")]
OutputOption = Annotated[Path, typer.Option("--output", callback=note_output, help="File to write.")]
PermutationsOption = Annotated[
    Path | None, typer.Option("--permutations", help="rand_perm_cam.mat, for the official gallery.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ScoresOption = Annotated[list[Path], typer.Option("--scores", help="Score file; repeat for each.")]


SELECTION: dict[str, Any] = {
    "dataset": DatasetOption,
    "split": SplitOption,
    "variant": VariantOption,
    "seed": SeedOption,
    "protocol": Annotated[str | None, typer.Option("--protocol", help="Protocol, e.g. sysu_all_single.")],
}
RUN = ("dataset", "split", "variant", "seed")  # what selects a run


def step_command(app: typer.Typer, *selected: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function the subcommand of the step that it is named after.

    The function's first argument is the step's settings, which come from the options that every step has: `--params`,
    `--set` and those of `selected`; its further arguments are options of this subcommand alone.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        def command(*, params: list[str], overrides: list[str] | None, **given: Any) -> None:
            selection = {name: given.pop(name) for name in selected}
            function(settings_of(function.__name__, params, overrides, **selection), **given)

        def option(name: str, kind: Any, default: Any = None) -> inspect.Parameter:
            return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)

        _, *own = inspect.signature(function, eval_str=True).parameters.values()
        options = [option("params", ParamsOption, inspect.Parameter.empty)]
        options += [option(each.name, each.annotation, each.default) for each in own]
        options += [option("overrides", SetOption), *(option(name, SELECTION[name]) for name in selected)]
        command.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]  # what Typer reads
        command.__doc__ = function.__doc__
        app.command(function.__name__.replace("_", "-"))(command)
        return function

    return register


def settings_of(step: str, layers: list[str], overrides: list[str] | None, **selection: Any) -> Any:
    """The settings of `step`, from what `--params` and `--set` gave and what is selected of it; see `load_settings`."""
    from csdn.steps.registry import load_settings  # late: `csdn --help` needs none of it
    from csdn.steps.selection import Selection

    return load_settings(layers, overrides or [], step, Selection(**selection))
