"""The subcommands that the workflow calls for a dataset, a run or its scores, in their order in it."""

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
    ScoresOption,
    SeedOption,
    SetOption,
    SplitOption,
    VariantOption,
    slice_of,
)
from csdn.console.quiet import note_output
from csdn.errors import UserError

app = typer.Typer()


@app.command("make-dataset")
def make_dataset(
    params: ParamsOption,
    output: OutputOption,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that render.")] = 1,
) -> None:
    """Render an embedded dataset in its official layout (or `pretraining`).

    Example: `csdn make-dataset --params params.yaml --dataset regdb --output data/raw/regdb/annotations.parquet`
    """
    from csdn.jobs.data import run_make_dataset

    run_make_dataset(slice_of("make_dataset", params, overrides, dataset=dataset), output, workers)


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
    from csdn.jobs.data import run_pretrain_clip

    run_pretrain_clip(slice_of("pretrain_clip", params, overrides), annotations, output)


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
    check: Annotated[
        bool, typer.Option("--check", help="Print counts beside the official ones and all problems; write nothing.")
    ] = False,
) -> None:
    """Read a dataset's lists and resize its images once.

    Example: `csdn index-images --params params.yaml --dataset sysu_mm01 --root data/raw/sysu_mm01
    --index data/index/sysu_mm01.parquet --cache data/cache/sysu_mm01_64x32.npy`

    `csdn index-images --check --params params.yaml --params mine.yaml` checks every dataset of the settings.
    """
    if check:
        from csdn.jobs.check import run_check
        from csdn.steps.registry import slices_of_datasets

        run_check(slices_of_datasets(params, overrides or [], dataset, root))
        return
    missing = [f"--{name}" for name, value in (("root", root), ("index", index), ("cache", cache)) if value is None]
    if root is None or index is None or cache is None:
        raise UserError(f"index-images: {', '.join(missing)} missing; give them, or --check")
    from csdn.jobs.index import run_index_images

    run_index_images(slice_of("index_images", params, overrides, dataset=dataset), root, index, cache)


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

    step = slice_of("learn_prompts", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
    run_learn_prompts(step, index, cache, clip, output, captions)


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

    step = slice_of("fuse_semantics", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
    run_fuse_semantics(step, index, cache, clip, prompts, output)


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

    step = slice_of("train_encoder", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
    run_train_encoder(step, index, cache, clip, semantics, output)


@app.command("embed-images")
def embed_images(
    params: ParamsOption,
    index: IndexOption,
    cache: CacheOption,
    encoder: Annotated[Path, typer.Option(help="Encoder written by train-encoder.")],
    output: OutputOption,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
) -> None:
    """Embed every test image once, its mirror image included.

    Example: `csdn embed-images --params params.yaml --dataset sysu_mm01 --split default --variant csdn --seed 0
    --index I --cache C --encoder encoder.safetensors --output embeddings.safetensors`
    """
    from csdn.jobs.evaluation import run_embed_images

    step = slice_of("embed_images", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
    run_embed_images(step, index, cache, encoder, output)


@app.command("explain-model")
def explain_model(
    params: ParamsOption,
    index: IndexOption,
    cache: CacheOption,
    encoder: Annotated[Path, typer.Option(help="Encoder written by train-encoder.")],
    output: OutputOption,
    clip: ClipOption = None,
    semantics: Annotated[Path | None, typer.Option(help="Descriptions it was trained with, if any.")] = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
) -> None:
    """Compare a trained encoder with its start: features, attention and Grad-CAM maps, similarity to descriptions.

    Example: `csdn explain-model --params params.yaml --dataset sysu_mm01 --split default --variant csdn --seed 0
    --index I --cache C --clip CLIP --encoder encoder.safetensors --output explanations.safetensors`
    """
    from csdn.jobs.explanation import run_explain_model

    step = slice_of("explain_model", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
    run_explain_model(step, index, cache, clip, encoder, semantics, output)


@app.command("score-retrieval")
def score_retrieval(
    output: OutputOption,
    params: Annotated[
        list[str] | None, typer.Option("--params", help="YAML file or slice; not for --features.")
    ] = None,
    index: Annotated[Path | None, typer.Option("--index", help="Image index of the embeddings.")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="Embeddings written by embed-images.")] = None,
    features: Annotated[Path | None, typer.Option(help="Any method's features: .npz, .mat or .safetensors.")] = None,
    root: Annotated[Path | None, typer.Option(help="Dataset folder, if --features names images by path.")] = None,
    similarity: Annotated[str, typer.Option(help="For --features: inner, cosine or euclidean.")] = "inner",
    gallery: Annotated[str, typer.Option(help="For --features: agw or official.")] = "agw",
    trials: Annotated[int, typer.Option(min=1, max=10, help="For --features: galleries drawn.")] = 10,
    rerank: Annotated[bool, typer.Option("--rerank", help="For --features: k-reciprocal re-ranking.")] = False,
    k1: Annotated[int, typer.Option(min=1, help="For --rerank: neighbours that may be reciprocal.")] = 20,
    k2: Annotated[int, typer.Option(min=1, help="For --rerank: neighbours to average.")] = 6,
    original_weight: Annotated[
        float, typer.Option("--lambda", min=0, max=1, help="For --rerank: share of the original distance.")
    ] = 0.3,
    permutations: Annotated[Path | None, typer.Option(help="rand_perm_cam.mat, for the official gallery.")] = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
    protocol: Annotated[str | None, typer.Option(help="Protocol, e.g. sysu_all_single.")] = None,
) -> None:
    """Score one protocol, of a run of the pipeline or of any method's features (docs/protocols.md).

    Example: `csdn score-retrieval --features features.npz --protocol sysu_all_single --root data/raw/sysu_mm01
    --output scores/sysu_all_single.json`
    """
    from csdn.jobs.evaluation import print_scores, run_score_features, run_score_retrieval

    if features:
        if protocol is None:
            raise UserError("--protocol: missing; name the protocol that the features are scored under")
        result = run_score_features(
            features,
            protocol,
            output,
            root=root,
            split=split,
            similarity=similarity,
            gallery=gallery,
            trials=trials,
            permutations=permutations,
            reranking={"k1": k1, "k2": k2, "original_weight": original_weight} if rerank else None,
        )
    elif params and index and embeddings:
        if rerank:
            raise UserError("--rerank: is for --features; re-rank runs with evaluation.reranking in params.yaml")
        selection = {"dataset": dataset, "split": split, "variant": variant, "seed": seed, "protocol": protocol}
        step = slice_of("score_retrieval", params, overrides, **selection)
        result = run_score_retrieval(step, index, embeddings, output, permutations)
    else:
        raise UserError("score-retrieval: give --params, --index and --embeddings, or --features and --protocol")
    print_scores(result)


@app.command("track-scores")
def track_scores(
    params: ParamsOption,
    scores: ScoresOption,
    output: OutputOption,
    artifacts: Annotated[list[Path] | None, typer.Option("--artifact", help="File or folder to keep; repeat.")] = None,
    overrides: SetOption = None,
) -> None:
    """Log all scores to their MLflow runs, keep tables and figures there, and write which run is which.

    Example: `csdn track-scores --params params.yaml --scores S.json --output results/tracking.json`
    """
    from csdn.artifacts.files import write_json
    from csdn.steps.input_checks import check_results
    from csdn.tracking.runs import track_scores as track

    check_results(scores)
    write_json(output, track(slice_of("track_scores", params, overrides).store, scores, artifacts or []))
