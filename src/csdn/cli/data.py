"""The subcommands that render and index images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from csdn.cli.options import (
    DatasetOption,
    OutputOption,
    ParamsOption,
    SetOption,
    SplitOption,
    settings_of,
    step_command,
)
from csdn.console.quiet import note_output
from csdn.errors import UserError

app = typer.Typer()


@step_command(app, "dataset", "split")
def make_dataset(
    settings: Any, output: OutputOption, workers: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 1
) -> None:
    """Render an embedded dataset in its official layout (or `pretraining`).

    Example: `csdn make-dataset --params params.yaml --dataset regdb --output data/raw/regdb/annotations.parquet`

    A draw of a dataset whose `splits` are draws, or the images of its own small CLIP: add `--split 2`.
    """
    from csdn.jobs.data import run_make_dataset

    run_make_dataset(settings, output, workers)


@app.command("index-images")
def index_images(
    params: ParamsOption,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the dataset in its official layout; with --check as configured.")
    ] = None,
    index: Annotated[Path | None, typer.Option(callback=note_output, help="Index to write.")] = None,
    cache: Annotated[Path | None, typer.Option(callback=note_output, help="Pixel cache to write.")] = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="Print counts beside the official ones and all problems; write nothing.")
    ] = False,
) -> None:
    """Read a dataset's lists and resize its images once.

    Example: `csdn index-images --params params.yaml --dataset regdb --root data/raw/regdb
    --index data/index/regdb.parquet --cache data/cache/regdb_64x32.npy`

    `csdn index-images --check --params params.yaml --params mine.yaml` checks every dataset of the settings.
    """
    if check:
        from csdn.jobs.check import run_check

        run_check(params, overrides or [], dataset, split, root)
        return
    missing = [f"--{name}" for name, value in (("root", root), ("index", index), ("cache", cache)) if value is None]
    if root is None or index is None or cache is None:
        raise UserError(f"index-images: {', '.join(missing)} missing; give them, or --check")
    from csdn.jobs.data import run_index_images

    settings = settings_of("index_images", params, overrides, dataset=dataset, split=split)
    run_index_images(settings, root, index, cache)
