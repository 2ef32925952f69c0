"""Options that several subcommands have, and the settings that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from csdn.console.quiet import note_output

ParamsOption = Annotated[
    list[str], typer.Option("--params", help="YAML file (repeat to lay over), or a step's slice as JSON text.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Name under `datasets`.")]
SplitOption = Annotated[str | None, typer.Option("--split", help="`default`, or 1..10 for RegDB.")]
VariantOption = Annotated[str | None, typer.Option("--variant", help="Name under `variants`.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the run.")]
IndexOption = Annotated[Path, typer.Option("--index", help="Image index written by index-images.")]
CacheOption = Annotated[Path, typer.Option("--cache", help="Pixel cache written by index-images.")]
ClipOption = Annotated[Path | None, typer.Option("--clip", help="Weights of the small CLIP, where it is used.")]
OutputOption = Annotated[Path, typer.Option("--output", callback=note_output, help="File to write.")]
ScoresOption = Annotated[list[Path], typer.Option("--scores", help="Score file; repeat for each.")]


def slice_of(step: str, layers: list[str], overrides: list[str] | None, **selection: Any) -> Any:
    """The part of the settings that `step` depends on.

    Args:
        step: name of the step, with underscores.
        layers: what `--params` was given: files, or one slice as text.
        overrides: what `--set` was given.
        selection: what of the settings is meant: dataset, split, variant, seed, protocol.
    """
    from csdn.steps.registry import load_slice  # late: `csdn --help` needs none of it

    return load_slice(layers, overrides or [], step, **selection)
