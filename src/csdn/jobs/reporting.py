"""The reporting subcommands: tables, figures, the page and MLflow, and what a study shows before it is finished."""

from __future__ import annotations

from pathlib import Path

from csdn.artifacts.files import write_json
from csdn.config.params import Params
from csdn.console.results import print_result
from csdn.steps.input_checks import check_results
from csdn.steps.reporting import CompareVariants, DrawFigures, TrackScores, WriteReport


def run_compare_variants(settings: CompareVariants, scores: list[Path], output: Path) -> None:
    """Write the tables of params.yaml into the folder `output`."""
    from csdn.reporting.tables import compare_variants

    check_results(scores)
    compare_variants(settings, scores, output)


def run_draw_figures(settings: DrawFigures, output: Path, curves: Path | None) -> None:
    """Draw the report's figures into the folder `output`, and write the curves' numbers into `curves`."""
    from csdn.figures.draw import draw_figures
    from csdn.reporting.curves import write_curves

    draw_figures(settings.params, output)
    if curves is not None:
        write_curves(settings.params, curves)


def run_write_report(settings: WriteReport, output: Path) -> None:
    """Write the page."""
    from csdn.reporting.page import write_report

    write_report(settings.params, output)


def run_track_scores(settings: TrackScores, scores: list[Path], output: Path, artifacts: list[Path]) -> None:
    """Log all scores to their MLflow runs, keep `artifacts` there, and write which run is which."""
    from csdn.tracking.scores import track_scores

    check_results(scores)
    write_json(output, track_scores(settings.store, scores, artifacts))


def run_show(results: Path, params: Params | None, as_json: bool) -> None:
    """Print the present state of all tables."""
    from csdn.reporting.overview import current_tables, print_tables

    entries = current_tables(results, params)
    print_result(entries, lambda: print_tables(entries, params), as_json=as_json)


def run_simulate_power(
    results: Path,
    params: Params,
    draws: list[int],
    difference: float,
    identities: int | None,
    seeds: int | None,
    power: float,
    as_json: bool,
) -> None:
    """Print what the test over draws finds in simulated studies, and how often it errs."""
    from csdn.reporting.power import print_power, simulate_power

    found = simulate_power(results, params, draws, difference, identities, seeds, power)
    print_result(found, lambda: print_power(found, difference, power), as_json=as_json)
