"""The subcommands that use a trained encoder in the workflow, and that score features."""

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
    PermutationsOption,
    SeedOption,
    SetOption,
    SplitOption,
    VariantOption,
    step_command,
)
from csdn.console.results import print_result
from csdn.errors import UserError

app = typer.Typer()


@step_command(app, *RUN)
def embed_images(
    settings: Any,
    index: IndexOption,
    cache: CacheOption,
    encoder: Annotated[Path, typer.Option(help="Encoder written by train-encoder.")],
    output: OutputOption,
) -> None:
    """Embed every test image once, its mirror image included.

    Example: `csdn embed-images --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0
    --index I --cache C --encoder encoder.safetensors --output embeddings.safetensors`
    """
    from csdn.jobs.evaluation import run_embed_images

    run_embed_images(settings, index, cache, encoder, output)


@step_command(app, *RUN)
def explain_model(
    settings: Any,
    index: IndexOption,
    cache: CacheOption,
    encoder: Annotated[Path, typer.Option(help="Encoder written by train-encoder.")],
    output: OutputOption,
    clip: ClipOption = None,
    semantics: Annotated[Path | None, typer.Option(help="Descriptions it was trained with, if any.")] = None,
) -> None:
    """Compare a trained encoder with its start: features, attention and Grad-CAM maps, similarity to descriptions.

    Example: `csdn explain-model --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0
    --index I --cache C --clip CLIP --encoder encoder.safetensors --output explanations.safetensors`
    """
    from csdn.jobs.explanation import run_explain_model

    run_explain_model(settings, index, cache, clip, encoder, semantics, output)


@step_command(app, *RUN, "protocol")
def score_retrieval(
    settings: Any,
    index: IndexOption,
    embeddings: Annotated[Path, typer.Option(help="Embeddings written by embed-images.")],
    output: OutputOption,
    permutations: PermutationsOption = None,
) -> None:
    """Score one protocol of a run of the pipeline (docs/protocols.md); `csdn score-features` scores other methods.

    Example: `csdn score-retrieval --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0
    --protocol sysu_all_single --index I --embeddings embeddings.safetensors --output scores/sysu_all_single.json`
    """
    from csdn.jobs.evaluation import print_scores, run_score_retrieval

    print_scores(run_score_retrieval(settings, index, embeddings, output, permutations))


@app.command("score-features")
def score_features(
    features: Annotated[Path, typer.Option(help="Any method's features: .npz, .mat or .safetensors.")],
    protocol: Annotated[str, typer.Option(help="Protocol, e.g. sysu_all_single.")],
    output: OutputOption,
    root: Annotated[Path | None, typer.Option(help="Dataset folder, if the file names images by path.")] = None,
    split: SplitOption = None,
    similarity: Annotated[str, typer.Option(help="`inner`, `cosine` or `euclidean`.")] = "inner",
    gallery: Annotated[str, typer.Option(help="`agw` or `official`.")] = "agw",
    trials: Annotated[int, typer.Option(min=1, max=10, help="Galleries drawn.")] = 10,
    rerank: Annotated[bool, typer.Option("--rerank", help="k-reciprocal re-ranking.")] = False,
    k1: Annotated[int, typer.Option(min=1, help="For --rerank: neighbours that may be reciprocal.")] = 20,
    k2: Annotated[int, typer.Option(min=1, help="For --rerank: neighbours to average.")] = 6,
    original_weight: Annotated[
        float, typer.Option("--lambda", min=0, max=1, help="For --rerank: share of the original distance.")
    ] = 0.3,
    permutations: PermutationsOption = None,
) -> None:
    """Score any method's features under a protocol, as a run of the pipeline is scored (docs/protocols.md).

    Example: `csdn score-features --features features.npz --protocol sysu_all_single --root data/raw/sysu_mm01/draw_1
    --output scores/sysu_all_single.json`
    """
    from csdn.jobs.evaluation import print_scores, run_score_features

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
    print_scores(result)


@app.command()
def diagnose(
    params: Annotated[list[str] | None, typer.Option("--params", help="YAML file of the study; repeat.")] = None,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    split: SplitOption = None,
    variant: VariantOption = None,
    seed: SeedOption = None,
    scores: Annotated[Path | None, typer.Option(help="Instead of a run: any method's score file.")] = None,
    settings: Annotated[Path | None, typer.Option(help="With --scores: YAML of what is known of it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find known causes of low or high numbers in a run, or in any method's score file (docs/diagnosis.md).

    Example: `csdn diagnose --params params.yaml --dataset sysu_mm01 --split 1 --variant csdn --seed 0`

    Example: `csdn diagnose --scores scores/sysu_all_single.json --settings known.yaml`
    """
    from csdn.config.loading import load_params
    from csdn.jobs.diagnosis import print_diagnosis, run_diagnose, run_diagnose_scores
    from csdn.steps.selection import Selection

    if scores and settings and not params:
        result = run_diagnose_scores(scores, settings)
    elif params and not scores and not settings:
        result = run_diagnose(load_params(params, overrides or []), Selection(dataset, split, variant, seed))
    else:
        raise UserError("--params: give this and a run's options, or --scores and --settings of another method")
    print_result(result, lambda: print_diagnosis(result), as_json=as_json)
