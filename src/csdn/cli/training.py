"""The subcommands that train: the small CLIP, prompts, their fusion and the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from csdn.cli.options import (
    CacheOption,
    ClipOption,
    DatasetOption,
    IndexOption,
    OutputOption,
    ParamsOption,
    SeedOption,
    SetOption,
    SplitOption,
    VariantOption,
    settings_of,
)

app = typer.Typer()


@app.command("pretrain-clip")
def pretrain_clip(
    params: ParamsOption,
    annotations: Annotated[Path, typer.Option(help="annotations.parquet of the pre-training images.")],
    output: OutputOption,
    overrides: SetOption = None,
) -> None:
    """Pre-train the small CLIP of the embedded benchmark.

    Example: `csdn pretrain-clip --params params.yaml --annotations data/pretraining/annotations.parquet
    --output results/clip/mini/clip.safetensors`
    """
    from csdn.jobs.pretraining import run_pretrain_clip

    run_pretrain_clip(settings_of("pretrain_clip", params, overrides), annotations, output)


@app.command("learn-prompts")
def learn_prompts(
    params: ParamsOption,
    index: IndexOption,
    cache: CacheOption,
    output: OutputOption,
    clip: ClipOption = None,
    captions: Annotated[Path | None, typer.Option(help="annotations.parquet, for prompts.kind: caption.")] = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
) -> None:
    """Stage 1a: learn a description of each identity and modality in CLIP's token space.

    Example: `csdn learn-prompts --params params.yaml --dataset sysu_mm01 --split default --variant csdn --seed 0
    --index I --cache C --clip CLIP --output prompts.safetensors`
    """
    from csdn.jobs.training import run_learn_prompts

    settings = settings_of("learn_prompts", params, overrides, dataset, split, variant, seed)
    run_learn_prompts(settings, index, cache, clip, output, captions)


@app.command("fuse-semantics")
def fuse_semantics(
    params: ParamsOption,
    index: IndexOption,
    cache: CacheOption,
    prompts: Annotated[Path, typer.Option(help="Descriptions written by learn-prompts.")],
    output: OutputOption,
    clip: ClipOption = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
) -> None:
    """Stage 1b: fuse the two modalities' descriptions of each identity.

    Example: `csdn fuse-semantics --params params.yaml --dataset sysu_mm01 --split default --variant csdn --seed 0
    --index I --cache C --clip CLIP --prompts prompts.safetensors --output semantics.safetensors`
    """
    from csdn.jobs.training import run_fuse_semantics

    settings = settings_of("fuse_semantics", params, overrides, dataset, split, variant, seed)
    run_fuse_semantics(settings, index, cache, clip, prompts, output)


@app.command("train-encoder")
def train_encoder(
    params: ParamsOption,
    index: IndexOption,
    cache: CacheOption,
    output: OutputOption,
    clip: ClipOption = None,
    semantics: Annotated[Path | None, typer.Option(help="Fused descriptions; none for a baseline.")] = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
) -> None:
    """Stage 2: train the visual encoder.

    Example: `csdn train-encoder --params params.yaml --dataset sysu_mm01 --split default --variant csdn --seed 0
    --index I --cache C --clip CLIP --semantics semantics.safetensors --output encoder.safetensors`
    """
    from csdn.jobs.training import run_train_encoder

    settings = settings_of("train_encoder", params, overrides, dataset, split, variant, seed)
    run_train_encoder(settings, index, cache, clip, semantics, output)
