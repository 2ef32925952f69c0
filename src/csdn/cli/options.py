"""Options that several subcommands have, and the settings that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ParamsOption = Annotated[
    list[str], typer.Option("--params", help="YAML file (repeat to lay over), or a step's settings as JSON text.")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one setting.")]
DatasetOption = Annotated[str | None, typer.Option("--dataset", help="Name under `datasets`.")]
SplitOption = Annotated[str | None, typer.Option("--split", help="`default`, or 1..10 for RegDB.")]
VariantOption = Annotated[str | None, typer.Option("--variant", help="Name under `variants`.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Seed of the run.")]
IndexOption = Annotated[Path, typer.Option("--index", help="Image index written by index-images.")]
CacheOption = Annotated[Path, typer.Option("--cache", help="Pixel cache written by index-images.")]
ClipOption = Annotated[Path | None, typer.Option("--clip", help="Weights of the small CLIP, where it is used.")]
OutputOption = Annotated[Path, typer.Option("--output", help="File to write.")]
PermutationsOption = Annotated[
    Path | None, typer.Option("--permutations", help="rand_perm_cam.mat, for the official gallery.")
]
ScoresOption = Annotated[list[Path], typer.Option("--scores", help="Score file; repeat for each.")]


def settings_of(
    step: str,
    layers: list[str],
    overrides: list[str] | None,
    dataset: str | None = None,
    split: str | None = None,
    variant: str | None = None,
    seed: int | None = None,
    protocol: str | None = None,
) -> Any:
    """The settings of `step`, from what `--params` and `--set` gave and what is selected of it; see `load_settings`."""
    from csdn.steps.registry import load_settings  # late: `csdn --help` needs none of it
    from csdn.steps.selection import Selection

    return load_settings(layers, overrides or [], step, Selection(dataset, split, variant, seed, protocol))
