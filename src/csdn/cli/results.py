"""The subcommands that set results side by side, draw them and tell what they can show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from csdn.cli.options import DatasetOption, OutputOption, ParamsOption, ScoresOption, SetOption, VariantOption, slice_of
from csdn.console.quiet import note_output

app = typer.Typer()


@app.command("compare-variants")
def compare_variants(
    params: ParamsOption,
    scores: ScoresOption,
    output: Annotated[Path, typer.Option("--output", callback=note_output, help="Folder of the tables.")],
    overrides: SetOption = None,
) -> None:
    """Aggregate scores into the tables of params.yaml: mean, std, intervals, paired tests.

    Example: `csdn compare-variants --params params.yaml --scores S.json --output results/tables`
    """
    from csdn.reporting.tables import compare_variants as compare
    from csdn.steps.input_checks import check_results

    check_results(scores)
    compare(slice_of("compare_variants", params, overrides), scores, output)


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
    output: Annotated[Path | None, typer.Option("--output", callback=note_output, help="Also write JSON here.")] = None,
) -> None:
    """Parameters, FLOPs and activation memory of each module of a variant; needs no data and no weights.

    Example: `csdn describe-model --params params.yaml --params config/paper.yaml --dataset sysu_mm01 --variant csdn`
    """
    from csdn.jobs.costs import run_describe_model

    step = slice_of("describe_model", params, overrides, dataset=dataset, variant=variant)
    run_describe_model(step.model_copy(update={"identities": identities or step.identities}), output, as_json)


@app.command("compare-costs")
def compare_costs(
    params: ParamsOption,
    output: Annotated[Path, typer.Option("--output", callback=note_output, help="Folder of the tables.")],
    overrides: SetOption = None,
) -> None:
    """Set what each variant trains, computes and takes beside what it gains: the table of costs.

    Example: `csdn compare-costs --params params.yaml --output results/tables`
    """
    from csdn.jobs.costs import run_compare_costs

    run_compare_costs(slice_of("compare_costs", params, overrides), output)


@app.command("draw-figures")
def draw_figures(
    params: ParamsOption,
    output: Annotated[Path, typer.Option("--output", callback=note_output, help="Folder of the figures.")],
    curves: Annotated[
        Path | None,
        typer.Option(callback=note_output, help="Folder for the curves' numbers as CSV; else not written."),
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Draw the report's figures from the results.

    Example: `csdn draw-figures --params params.yaml --output results/figures --curves results/curves`
    """
    from csdn.figures.draw import draw_figures as draw
    from csdn.reporting.curves import write_curves

    settings = slice_of("draw_figures", params, overrides).params
    draw(settings, output)
    if curves is not None:
        write_curves(settings, curves)


@app.command("write-report")
def write_report(params: ParamsOption, output: OutputOption, overrides: SetOption = None) -> None:
    """Write the report: one self-contained page.

    Example: `csdn write-report --params params.yaml --output results/report.html`
    """
    from csdn.reporting.page import write_report as write

    write(slice_of("write_report", params, overrides).params, output)


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

    from csdn.config.loading import load_params
    from csdn.reporting.overview import current_tables, print_tables

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

    from csdn.config.loading import load_params
    from csdn.reporting import power as simulation

    rows = simulation.simulate_power(results, load_params(params, overrides or []), identities, seeds, power)
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        simulation.print_power(rows, power)
