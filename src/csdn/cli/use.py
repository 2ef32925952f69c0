"""The subcommands that use what was trained, or plan what will be: search, export, plan-study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from csdn.cli.options import JsonOption
from csdn.console.quiet import note_output
from csdn.console.results import print_result
from csdn.errors import UserError, printable

app = typer.Typer()

EncoderOption = Annotated[Path, typer.Option("--encoder", help="encoder.safetensors of a run, its record beside it.")]


@app.command("search")
def search(
    encoder: EncoderOption,
    gallery: Annotated[Path, typer.Option(help="embeddings.safetensors of the run, or a folder of images.")],
    query: Annotated[list[Path], typer.Option(help="Image of the person sought; repeat for more.")],
    query_modality: Annotated[str, typer.Option(help="`visible` or `infrared`, of the queries.")],
    modality: Annotated[
        str | None, typer.Option(help="`visible` or `infrared`: of a folder's images; of embeddings, those searched.")
    ] = None,
    index: Annotated[Path | None, typer.Option(help="Image index of the embeddings, which names the images.")] = None,
    root: Annotated[Path | None, typer.Option(help="Folder of the embeddings' images, for --page.")] = None,
    kind: Annotated[str, typer.Option(help="`flat` (exact), `ivf-pq` or `hnsw`.")] = "flat",
    store: Annotated[Path | None, typer.Option(help="File that keeps an ivf-pq or hnsw index for next time.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Answers to each query.")] = 10,
    page: Annotated[Path | None, typer.Option(callback=note_output, help="Also write the answers as a page.")] = None,
    as_json: JsonOption = False,
    device: Annotated[str, typer.Option(help="`auto`, `cpu` or `cuda`.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Find a person: which images of a gallery are most like a query of either modality.

    Example: `csdn search --encoder RUN/encoder.safetensors --gallery RUN/embeddings.safetensors --index I
    --modality visible --query person.png --query-modality infrared`
    """
    from csdn.jobs.search import Search, print_answers, run_search
    from csdn.search.page import write_page

    asked = Search(query, query_modality, gallery, modality, index, root, kind, store, top)
    result = run_search(asked, encoder, device, threads)
    if page:
        write_page(page, result["answers"], Path(result["root"]) if result["root"] else None, result["note"])
    print_result(result, lambda: print_answers(result), as_json=as_json)


@app.command("export")
def export(
    encoder: EncoderOption,
    output: Annotated[
        Path,
        typer.Option(callback=note_output, help="Folder of visible.onnx, visible.pt2, infrared.onnx and infrared.pt2."),
    ],
    flip: Annotated[bool, typer.Option("--flip/--no-flip", help="With the mirrored image's descriptor.")] = True,
) -> None:
    """Write a trained encoder as ONNX and as a torch.export program, each compared with the encoder.

    Example: `csdn export --encoder results/sysu_mm01/1/runs/csdn/seed_0/encoder.safetensors --output exported`
    """
    from csdn.jobs.search import run_export

    run_export(encoder, output, flip)


@app.command("plan-study")
def plan_study(
    params: Annotated[list[str], typer.Option("--params", help="YAML file of the study; repeat to lay over.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one.")] = None,
    seconds: Annotated[
        list[str] | None, typer.Option(metavar="STEP=SECONDS", help="Assume the time of a step's job; repeat.")
    ] = None,
    measured: Annotated[Path, typer.Option(help="Folder of a run, whose jobs' times are used.")] = Path(),
    gpus: Annotated[str, typer.Option(help="Sizes of the cluster.")] = "1,8,64,512",
    cpus: Annotated[int, typer.Option(min=1, help="Jobs without a GPU that run at once, for each GPU.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Plan a study: its jobs, GPU-hours and longest chain, and how long clusters of several sizes take.

    Example: `csdn plan-study --params params.yaml --params config/paper.yaml --seconds train_encoder=7200`
    """
    from csdn.config.loading import load_params
    from csdn.jobs.study import print_study, run_plan_study
    from csdn.study.job_graph import RECORDS

    if not all(size.strip().isdecimal() and int(size) for size in gpus.split(",")):
        raise UserError(f"--gpus {printable(gpus)}: give numbers of one or more, such as 1,8,64")
    sizes = [int(size) for size in gpus.split(",")]
    study = run_plan_study(
        load_params(params, overrides or []), seconds or [], measured / RECORDS, ("results", "data"), sizes, cpus
    )
    print_result(study, lambda: print_study(study), as_json=as_json)
