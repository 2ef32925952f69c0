"""Power of a study: the smallest differences that it would find, simulated from its scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from csdn.config.params import Params
from csdn.errors import UserError
from csdn.results.scores import find_score_files, read_scores
from csdn.seeding import derive_seed
from csdn.statistics.comparison import identity_differences, panels
from csdn.statistics.power import STUDIES, smallest_found, variance_components
from csdn.study.labels import protocol_label

FURTHER_STUDIES = 200  # simulated for further seeds, whose test is slower


def simulate_power(
    results: Path, params: Params, identities: int | None = None, seeds: int | None = None, power: float = 0.8
) -> list[dict[str, Any]]:
    """One row for each difference of the tables: its spread, and the smallest mAP difference found with `power`.

    Args:
        results: folder with score files.
        params: settings whose tables name the differences.
        identities: number of test identities of the simulated studies; by default that of the scores.
        seeds: number of seeds; by default that of the scores.

    Raises:
        UserError: none of the differences has scores.
    """
    files = find_score_files(results)
    pairs = list(dict.fromkeys(tuple(pair) for table in params.tables.values() for pair in table.differences))
    rows = []
    for panel in panels(read_scores(files), sorted({name for pair in pairs for name in pair})) if files else ():
        for a, b in pairs:
            runs = [run for run in panel.runs_of(a) if run in panel.runs_of(b)]
            if not runs or len({split for split, _ in runs}) > 1:
                continue
            differences = identity_differences(panel, a, b, runs).dropna(axis=1).to_numpy()
            if differences.shape[1] < 2:  # no test without a spread
                continue
            components = variance_components(differences)
            row: dict[str, Any] = {"dataset": panel.dataset, "protocol": panel.protocol, "a": a, "b": b}
            size = {"identities": identities or differences.shape[1], "seeds": seeds or len(runs)}
            row |= size | {f"{name}_std": value**0.5 for name, value in components._asdict().items()}
            for name, further in (("smallest", False), ("smallest_further_seeds", True)):
                generator = np.random.default_rng(derive_seed(0, "power", panel.dataset, panel.protocol, a, b, name))
                studies = FURTHER_STUDIES if further else STUDIES
                row[name] = smallest_found(
                    components, **size, generator=generator, further_seeds=further, power=power, studies=studies
                )
            rows.append(row)
    if not rows:
        raise UserError(f"{results}: no difference of the tables has scores of both variants on one split")
    return rows


def print_power(rows: list[dict[str, Any]], power: float) -> None:
    """Print rows of `simulate_power` in points of mAP."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for dataset, protocol in dict.fromkeys((row["dataset"], row["protocol"]) for row in rows):
        table = Table(title=f"{dataset}: {protocol_label(protocol)}", title_justify="left", box=SIMPLE_HEAD)
        for heading in ("Difference", "Identities", "Seeds", "These models", "Further seeds"):
            table.add_column(heading, justify="left" if heading == "Difference" else "right", no_wrap=True)
        for row in rows:
            if (row["dataset"], row["protocol"]) == (dataset, protocol):
                smallest = [_points(row["smallest"]), _points(row["smallest_further_seeds"])]
                table.add_row(f"{row['a']} - {row['b']}", str(row["identities"]), str(row["seeds"]), *smallest)
        console.print(table)
    console.print(f"Smallest difference in points of mAP that a test at 5 % finds in {power:.0%} of simulated studies:")
    console.print("between the models that were trained, and between the methods for further seeds (from 3 seeds on).")


def _points(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"
