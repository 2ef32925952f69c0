"""The command line: parses, calls one function of csdn.jobs per subcommand, prints one-line errors."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from csdn import quiet
from csdn.cli_use import app as use_of_models
from csdn.errors import UserError, cannot_write, printable
from csdn.preloaded import VARIABLE, run_there

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
OutputOption = Annotated[Path, typer.Option("--output", help="File to write.")]
ScoresOption = Annotated[list[Path], typer.Option("--scores", help="Score file; repeat for each.")]


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

    run_make_dataset(_slice("make_dataset", params, overrides, dataset=dataset), output, workers)


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

    run_pretrain_clip(_slice("pretrain_clip", params, overrides), annotations, output)


@app.command("index-images")
def index_images(
    params: ParamsOption,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the dataset in its official layout; with --check as configured.")
    ] = None,
    index: Annotated[Path | None, typer.Option(help="Index to write.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Pixel cache to write.")] = None,
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
        from csdn.steps import slices_of_datasets

        run_check(slices_of_datasets(params, overrides or [], dataset, root))
        return
    missing = [f"--{name}" for name, value in (("root", root), ("index", index), ("cache", cache)) if value is None]
    if root is None or index is None or cache is None:
        raise UserError(f"index-images: {', '.join(missing)} missing; give them, or --check")
    from csdn.jobs.index import run_index_images

    run_index_images(_slice("index_images", params, overrides, dataset=dataset), root, index, cache)


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

    step = _slice("learn_prompts", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
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

    step = _slice("fuse_semantics", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
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

    step = _slice("train_encoder", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
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

    step = _slice("embed_images", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
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

    step = _slice("explain_model", params, overrides, dataset=dataset, split=split, variant=variant, seed=seed)
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
        step = _slice("score_retrieval", params, overrides, **selection)
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
    from csdn.artifacts import write_json
    from csdn.provenance import check_results
    from csdn.tracking import track_scores as track

    check_results(scores)
    write_json(output, track(_slice("track_scores", params, overrides).store, scores, artifacts or []))


@app.command("compare-variants")
def compare_variants(
    params: ParamsOption,
    scores: ScoresOption,
    output: Annotated[Path, typer.Option("--output", help="Folder of the tables.")],
    overrides: SetOption = None,
) -> None:
    """Aggregate scores into the tables of params.yaml: mean, std, intervals, paired tests.

    Example: `csdn compare-variants --params params.yaml --scores S.json --output results/tables`
    """
    from csdn.provenance import check_results
    from csdn.reporting.tables import compare_variants as compare

    check_results(scores)
    compare(_slice("compare_variants", params, overrides), scores, output)


@app.command("describe-model")
def describe_model(
    params: ParamsOption,
    overrides: SetOption = None,
    dataset: DatasetOption = None,
    variant: VariantOption = None,
    identities: Annotated[
        int | None, typer.Option(min=1, help="Training identities; the expected number if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    output: Annotated[Path | None, typer.Option("--output", help="Also write the JSON here.")] = None,
) -> None:
    """Parameters, FLOPs and activation memory of each module of a variant; needs no data and no weights.

    Example: `csdn describe-model --params params.yaml --params config/paper.yaml --dataset sysu_mm01 --variant csdn`
    """
    from csdn.jobs.costs import run_describe_model

    step = _slice("describe_model", params, overrides, dataset=dataset, variant=variant)
    run_describe_model(step.model_copy(update={"identities": identities or step.identities}), output, as_json)


@app.command("compare-costs")
def compare_costs(
    params: ParamsOption,
    output: Annotated[Path, typer.Option("--output", help="Folder of the tables.")],
    overrides: SetOption = None,
) -> None:
    """Set what each variant trains, computes and takes beside what it gains: the table of costs.

    Example: `csdn compare-costs --params params.yaml --output results/tables`
    """
    from csdn.jobs.costs import run_compare_costs

    run_compare_costs(_slice("compare_costs", params, overrides), output)


@app.command("draw-figures")
def draw_figures(
    params: ParamsOption,
    output: Annotated[Path, typer.Option("--output", help="Folder of the figures.")],
    curves: Annotated[
        Path | None, typer.Option(help="Folder for the curves' numbers as CSV; none: not written.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Draw the report's figures from the results.

    Example: `csdn draw-figures --params params.yaml --output results/figures --curves results/curves`
    """
    from csdn.reporting.curves import write_curves
    from csdn.reporting.figures import draw_figures as draw

    settings = _slice("draw_figures", params, overrides).params
    draw(settings, output)
    if curves is not None:
        write_curves(settings, curves)


@app.command("write-report")
def write_report(params: ParamsOption, output: OutputOption, overrides: SetOption = None) -> None:
    """Write the report: one self-contained page.

    Example: `csdn write-report --params params.yaml --output results/report.html`
    """
    from csdn.reporting.page import write_report as write

    write(_slice("write_report", params, overrides).params, output)


@app.command("show")
def show(
    results: Annotated[Path, typer.Argument(help="Results folder of a run, finished or not.")] = Path("results"),
    params: Annotated[
        list[str] | None, typer.Option("--params", help="YAML file: shows its tables and what is still missing.")
    ] = None,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, fractions instead of percent.")] = False,
) -> None:
    """Print the present state of all tables.

    Example: `csdn show results --params params.yaml`
    """
    import json

    from csdn.reporting.overview import current_tables, print_tables
    from csdn.settings import load_params

    settings = load_params(params, overrides or []) if params else None
    entries = current_tables(results, settings)
    if as_json:
        print(json.dumps(entries, indent=2))
    else:
        print_tables(entries, settings)


@app.command("simulate-power")
def simulate_power(
    params: ParamsOption,
    results: Annotated[Path, typer.Argument(help="Results folder whose scores give the spreads.")] = Path("results"),
    identities: Annotated[
        int | None,
        typer.Option(min=2, help="Test identities of a simulated study; by default those of the scores."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds; by default those of the scores.")] = None,
    power: Annotated[float, typer.Option(min=0.05, max=0.99, help="Share of studies that find the difference.")] = 0.8,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, fractions instead of points.")] = False,
) -> None:
    """Simulate which differences of mAP the paired tests find.

    Example: `csdn simulate-power results --params params.yaml --identities 500 --seeds 5`
    """
    import json

    from csdn.reporting import power as simulation
    from csdn.settings import load_params

    rows = simulation.simulate_power(results, load_params(params, overrides or []), identities, seeds, power)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        simulation.print_power(rows, power)


app.add_typer(use_of_models)


def _slice(step: str, layers: list[str], overrides: list[str] | None, **selection: Any) -> Any:
    from csdn.steps import load_slice  # late: `csdn --help` needs none of it

    return load_slice(layers, overrides or [], step, **selection)


@app.callback()
def options(
    debug: Annotated[
        bool, typer.Option("--debug", envvar="CSDN_DEBUG", help="Show the traceback of an error.")
    ] = False,
    be_quiet: Annotated[
        bool,
        typer.Option(quiet.FLAG, envvar=quiet.VARIABLE, help="No progress and no tables; only files and errors."),
    ] = False,
) -> None:
    """CLIP-driven visible-infrared person re-identification, one subcommand a step of the pipeline."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; wrong input is one line on standard error and exit code 2, any other failure 1.

    Anywhere among the arguments, `--debug` (or `CSDN_DEBUG=1`) shows tracebacks, and `--quiet` (or `CSDN_QUIET=1`)
    leaves only the names of the files written, warnings and errors.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if os.environ.get(VARIABLE) and (code := run_there(given)) is not None:
        sys.exit(code)
    debug = "--debug" in given or os.environ.get("CSDN_DEBUG", "") not in ("", "0")
    if quiet.FLAG in given:
        os.environ[quiet.VARIABLE] = "1"
    try:
        with quiet.quietly(given):
            code = app(args=[word for word in given if word not in ("--debug", quiet.FLAG)], standalone_mode=False)
    except Exception as error:
        if debug:
            traceback.print_exc()
        _fail(*_told(error))
    sys.exit(code if isinstance(code, int) else 0)


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
