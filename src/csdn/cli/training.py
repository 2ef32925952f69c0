"""The subcommands that train: the small CLIP, prompts, their fusion and the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from csdn.cli.options import (
    RUN,
    CacheOption,
    ClipOption,
    DatasetOption,
    IndexOption,
    JsonOption,
    OutputOption,
    ParamsOption,
    SeedOption,
    SetOption,
    SplitOption,
    VariantOption,
    step_command,
)
from csdn.console.quiet import note_output

app = typer.Typer()


@step_command(app, "split")
def pretrain_clip(
    settings: Any,
    annotations: Annotated[Path, typer.Option(help="annotations.parquet of the pre-training images.")],
    output: OutputOption,
) -> None:
    """Pre-train the small CLIP of the embedded benchmark.

    Example: `csdn pretrain-clip --params params.yaml --annotations data/pretraining/annotations.parquet
    --output results/clip/mini/clip.safetensors`

    With `clip.pretraining.one_per_draw`, that of a draw: add `--split 2`.
    """
    from csdn.jobs.pretraining import run_pretrain_clip

    run_pretrain_clip(settings, annotations, output)


@app.command()
def pack_clip(
    clip: Annotated[Path, typer.Option(help="clip.safetensors that pretrain-clip wrote.")],
    annotations: Annotated[Path, typer.Option(help="annotations.parquet of the images it was trained on.")],
    output: OutputOption,
) -> None:
    """Make a pre-trained small CLIP the one that csdn ships: in half precision, with its recipe and zero-shot table.

    Example: `csdn pack-clip --clip results-pretrain/clip/mini/clip.safetensors --annotations
    results-pretrain/data/pretraining/annotations.parquet --output src/csdn/models/shipped/clip_mini.safetensors`
    """
    from csdn.jobs.pretraining import run_pack_clip

    run_pack_clip(clip, annotations, output)


@step_command(app, *RUN)
def learn_prompts(
    settings: Any,
    index: IndexOption,
    cache: CacheOption,
    output: OutputOption,
    clip: ClipOption = None,
    captions: Annotated[Path | None, typer.Option(help="annotations.parquet, for prompts.kind: caption.")] = None,
) -> None:
    """Stage 1a: learn a description of each identity and modality in CLIP's token space.

    Example: `csdn learn-prompts --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0
    --index I --cache C --clip CLIP --output prompts.safetensors`
    """
    from csdn.jobs.training import run_learn_prompts

    run_learn_prompts(settings, index, cache, clip, output, captions)


@step_command(app, *RUN)
def fuse_semantics(
    settings: Any,
    index: IndexOption,
    cache: CacheOption,
    prompts: Annotated[Path, typer.Option(help="Descriptions written by learn-prompts.")],
    output: OutputOption,
    clip: ClipOption = None,
) -> None:
    """Stage 1b: fuse the two modalities' descriptions of each identity.

    Example: `csdn fuse-semantics --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0
    --index I --cache C --clip CLIP --prompts prompts.safetensors --output semantics.safetensors`
    """
    from csdn.jobs.training import run_fuse_semantics

    run_fuse_semantics(settings, index, cache, clip, prompts, output)


@step_command(app, *RUN)
def train_encoder(
    settings: Any,
    index: IndexOption,
    cache: CacheOption,
    output: OutputOption,
    clip: ClipOption = None,
    semantics: Annotated[Path | None, typer.Option(help="Fused descriptions; none for a baseline.")] = None,
) -> None:
    """Stage 2: train the visual encoder.

    Example: `csdn train-encoder --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0
    --index I --cache C --clip CLIP --semantics semantics.safetensors --output encoder.safetensors`
    """
    from csdn.jobs.training import run_train_encoder

    run_train_encoder(settings, index, cache, clip, semantics, output)


@app.command()
def import_checkpoint(
    checkpoint: Annotated[Path, typer.Argument(help="State dict that the authors' code wrote, model_*.pth.")],
    params: ParamsOption,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
    selected_on_test: Annotated[
        bool,
        typer.Option("--selected-on-test/--last-epoch", help="How its epoch was chosen; the authors' code: on test."),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an encoder that was trained.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make weights that the authors' code has trained the encoder of a run (docs/models.md).

    Example: `csdn import-checkpoint model_119.pth --params params.yaml --params config/paper.yaml --params mine.yaml
    --dataset sysu_mm01 --split default --variant authors_weights --seed 0`
    """
    from csdn.config.loading import load_params
    from csdn.jobs.importing import print_import, run_import_checkpoint
    from csdn.steps.selection import Selection

    chosen = Selection(dataset, split, variant, seed)
    loaded = load_params(params, overrides or [])
    result = run_import_checkpoint(loaded, chosen, checkpoint, force=force, selected_on_test=selected_on_test)
    note_output(Path(result["encoder"]))
    print_import(result, as_json=as_json)
