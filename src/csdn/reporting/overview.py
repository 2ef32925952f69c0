"""The current state of all tables, for a terminal: read from the score files, even while others are computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from csdn.config.params import Params
from csdn.errors import UserError
from csdn.reporting.tables import percent
from csdn.results.scores import find_score_files, read_run
from csdn.statistics.comparison import protocol_order
from csdn.statistics.paired_tests import mean_and_std
from csdn.statistics.scores import METRICS
from csdn.study.labels import dataset_label, protocol_label

ALL = "all variants"
SHOWN = {"map": "mAP", "rank_1": "Rank-1", "rank_10": "Rank-10", "minp": "mINP"}  # as many as fit 80 columns


def current_tables(results: Path, params: Params | None = None) -> list[dict[str, Any]]:
    """One entry for each table, dataset and protocol that has scores, with a row for each of its variants.

    Args:
        results: results folder of a run, finished or not.
        params: settings that define the tables and the expected runs; without them all variants with scores are shown
            in one table.

    Returns:
        JSON-ready entries: table, caption, dataset, protocol, rows; a row has variant, runs (scored), planned (None
        without params), and for each metric its mean and std over runs (fractions; std None for fewer than MIN_RUNS
        and for a variant that is not trained).

    Raises:
        UserError: there is no score file, or one is malformed.
    """
    files = find_score_files(results)
    if not files:
        raise UserError(f"{results}: has no scores yet; run the pipeline, or give its results folder")
    runs = pd.DataFrame([read_run(file) for file in files])
    tables = {name: (table.caption, table.variants) for name, table in params.tables.items()} if params else {}
    entries = []
    for name, (caption, variants) in (tables or {ALL: ("All variants", sorted(set(runs["variant"])))}).items():
        for dataset, scored in runs.groupby("dataset", sort=False):
            known = list(params.scores_of(str(dataset))) if params and dataset in params.datasets else []
            for protocol in protocol_order([{"protocol": name} for name in scored["protocol"]], known):
                chosen = scored[scored["protocol"] == protocol]
                rows = [_row(chosen, variant, params, str(dataset)) for variant in variants]
                rows = [row for row in rows if row["runs"] or row["planned"]]
                if rows:
                    names = {"table": name, "caption": caption, "dataset": dataset, "protocol": protocol}
                    entries.append(names | {"rows": rows})
    return entries


def print_tables(entries: list[dict[str, Any]], params: Params | None = None) -> None:
    """Print entries of `current_tables`, metrics in percent."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for entry in entries:
        settings = params.datasets.get(entry["dataset"]) if params else None
        label = dataset_label(entry["dataset"], settings) if settings else entry["dataset"]
        title = f"{entry['caption']}\n{label}: {protocol_label(entry['protocol'])}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        table.add_column("Variant", no_wrap=True)
        for heading in ("Runs", *SHOWN.values()):
            table.add_column(heading, justify="right", no_wrap=True)
        for row in entry["rows"]:
            runs = f"{row['runs']}/{row['planned']}" if row["planned"] else str(row["runs"])
            cells = [percent(row[metric]["mean"], row[metric]["std"]) for metric in SHOWN]
            table.add_row(row["variant"], runs, *cells, style="" if row["runs"] else "dim")
        console.print(table)
    console.print("Percent, mean over runs, ± standard deviation from three on. The report has intervals and tests.")


def _row(scored: pd.DataFrame, variant: str, params: Params | None, dataset: str) -> dict[str, Any]:
    values = scored.loc[scored["variant"] == variant, list(METRICS)]
    row: dict[str, Any] = {"variant": variant, "runs": len(values), "planned": _planned(params, dataset, variant)}
    trained = params is None or params.variant(variant).encoder.epochs > 0
    for metric in METRICS:
        mean, std = mean_and_std(values[metric].to_list()) if len(values) else (None, None)
        row[metric] = {"mean": mean, "std": std if trained else None}
    return row


def _planned(params: Params | None, dataset: str, variant: str) -> int | None:
    if params is None or dataset not in params.datasets:
        return None
    if variant not in params.variants_of(dataset):
        return 0
    return len(params.seeds_of(dataset)) * len(params.datasets[dataset].splits)
