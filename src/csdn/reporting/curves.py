"""The data of the curves as CSV, one row for each point, for `dvc plots` and other programs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from csdn.artifacts.files import write_csv
from csdn.config.params import Params
from csdn.figures.charts import loss_terms
from csdn.reporting.tables import DIGITS
from csdn.results import report_inputs
from csdn.study.paths import MATCHES, TRAINING_CURVES

COLUMNS = ["panel", "variant"]


def write_curves(params: Params, output_folder: Path | str) -> list[Path]:
    """Write matches.csv (panel, variant, rank, matched) and training.csv (panel, variant, epoch, value).

    A panel is one plot: a dataset's protocol, or a dataset's loss term. Values are means over runs; `matched` and the
    validation mAP are in [0, 1].

    Returns:
        The files written.

    Raises:
        UserError: an input is missing or malformed.
    """
    folder = Path(output_folder)
    files = {MATCHES: matches(params), TRAINING_CURVES: training(params)}
    for name, frame in files.items():
        write_csv(folder / name, frame)
    return [folder / name for name in files]


def matches(params: Params) -> pd.DataFrame:
    """Cumulative match characteristic of every variant in any table."""
    rows = {
        (f"{row['dataset']} {row['protocol']}", row["variant"], rank): matched
        for table in params.tables
        for row in report_inputs.read_table(params, table)
        for rank, matched in enumerate(row["cmc"], start=1)
    }
    return pd.DataFrame([[*key, value] for key, value in rows.items()], columns=[*COLUMNS, "rank", "matched"])


def training(params: Params) -> pd.DataFrame:
    """Validation mAP and loss terms of stage 2 over the epochs trained, mean over the runs of a variant."""
    rows = []
    for dataset in params.datasets:
        for variant, runs in report_inputs.encoder_histories(params, dataset).items():
            both = pd.concat(runs)
            terms = [name for name in ("validation_map", *loss_terms(both)) if name in both]
            means = both.groupby("epoch")[terms].mean()
            for term in terms:
                known = means[term].dropna().round(DIGITS)
                points = zip(known.index.to_numpy() + 1, known, strict=True)
                rows += [[f"{dataset} {term}", variant, epoch, value] for epoch, value in points]
    return pd.DataFrame(rows, columns=[*COLUMNS, "epoch", "value"])
