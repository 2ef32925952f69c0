"""The subcommands that set results side by side, draw them, log them and tell what they can show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from csdn.cli.options import OutputOption, ParamsOption, ScoresOption, SetOption, step_command
from csdn.console.quiet import note_output

app = typer.Typer()


@step_command(app)
def compare_variants(
    settings: Any,
    scores: ScoresOption,
    output: Annotated[Path, typer.Option("--output", callback=note_output, help="Folder of the tables.")],
) -> None:
    """Aggregate scores into the tables of params.yaml: mean, std, intervals, paired tests.

    Example: `csdn compare-variants --params params.yaml --scores S.json --output results/tables`
    """
    from csdn.jobs.reporting import run_compare_variants

    run_compare_variants(settings, scores, output)


@step_command(app, "dataset", "variant")
def describe_model(
    settings: Any,
    identities: Annotated[
        int | None, typer.Option(min=1, help="Training identities; the expected number if left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    output: Annotated[Path | None, typer.Option("--output", callback=note_output, help="Also write JSON here.")] = None,
) -> None:
    """Parameters, FLOPs and activation memory of each module of a variant; needs no data and no weights.

    Example: `csdn describe-model --params params.yaml --params config/paper.yaml --dataset sysu_mm01 --variant csdn`
    """
    from csdn.jobs.costs import run_describe_model

    run_describe_model(settings.model_copy(update={"identities": identities or settings.identities}), output, as_json)


@step_command(app)
def compare_costs(
    settings: Any, output: Annotated[Path, typer.Option("--output", callback=note_output, help="Folder of the tables.")]
) -> None:
    """Set what each variant trains, computes and takes beside what it gains: the table of costs.

    Example: `csdn compare-costs --params params.yaml --output results/tables`
    """
    from csdn.jobs.costs import run_compare_costs

    run_compare_costs(settings, output)


@step_command(app)
def draw_figures(
    settings: Any,
    output: Annotated[Path, typer.Option("--output", callback=note_output, help="Folder of the figures.")],
    curves: Annotated[
        Path | None, typer.Option(callback=note_output, help="Folder for the curves' numbers as CSV; else not written.")
    ] = None,
) -> None:
    """Draw the report's figures from the results.

    Example: `csdn draw-figures --params params.yaml --output results/figures --curves results/curves`
    """
    from csdn.jobs.reporting import run_draw_figures

    run_draw_figures(settings, output, curves)


@step_command(app)
def write_report(settings: Any, output: OutputOption) -> None:
    """Write the report: one self-contained page.

    Example: `csdn write-report --params params.yaml --output results/report.html`
    """
    from csdn.jobs.reporting import run_write_report

    run_write_report(settings, output)


@step_command(app)
def track_scores(
    settings: Any,
    scores: ScoresOption,
    output: OutputOption,
    artifacts: Annotated[list[Path] | None, typer.Option("--artifact", help="File or folder to keep; repeat.")] = None,
) -> None:
    """Log all scores to their MLflow runs, keep tables and figures there, and write which run is which.

    Example: `csdn track-scores --params params.yaml --scores S.json --output results/tracking.json`
    """
    from csdn.jobs.reporting import run_track_scores

    run_track_scores(settings, scores, output, artifacts or [])


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
    from csdn.config.loading import load_params
    from csdn.jobs.reporting import run_show

    run_show(results, load_params(params, overrides or []) if params else None, as_json)


@app.command("simulate-power")
def simulate_power(
    params: ParamsOption,
    results: Annotated[Path, typer.Argument(help="Results folder whose scores give the spreads.")] = Path("results"),
    draws: Annotated[
        list[int] | None, typer.Option(min=3, help="Draws of a simulated study; repeat. 3, 5, 10.")
    ] = None,
    difference: Annotated[float, typer.Option(min=0.0, max=100.0, help="True difference, in points of mAP.")] = 1.0,
    identities: Annotated[
        int | None, typer.Option(min=2, help="Test identities of a draw; by default those of the scores.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of a draw; by default those of the scores.")] = None,
    power: Annotated[float, typer.Option(min=0.05, max=0.99, help="Share of studies that find the difference.")] = 0.8,
    overrides: SetOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, fractions instead of points.")] = False,
) -> None:
    """Simulate what the test over draws finds, and how often it errs.

    Example: `csdn simulate-power results --params params.yaml --draws 10 --identities 500`
    """
    from csdn.config.loading import load_params
    from csdn.jobs.reporting import run_simulate_power

    settings = load_params(params, overrides or [])
    run_simulate_power(results, settings, draws or [3, 5, 10], difference / 100, identities, seeds, power, as_json)
