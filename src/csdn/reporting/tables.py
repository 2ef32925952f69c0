"""Write the tables of params.yaml as CSV, Markdown, LaTeX and JSON, and the metrics file that DVC shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from csdn.artifacts.files import write_csv, write_json, write_text
from csdn.config.base import PROTOCOLS
from csdn.errors import UserError
from csdn.results.scores import read_scores
from csdn.statistics import paired_tests
from csdn.statistics.comparison import Design, Row, compare_pairs, compare_rows
from csdn.statistics.primary import primary_rows
from csdn.statistics.scores import METRICS, Scores
from csdn.steps.reporting import CompareVariants
from csdn.study.files import PRIMARY, differences_table
from csdn.study.labels import MINUS, SELECTED_ON_TEST, protocol_label
from csdn.study.paths import METRICS as METRICS_FILE

EMPTY = "\N{EN DASH}"
HEADLINES = ("map", "rank_1", "minp")
DIGITS = 6  # decimals of fractions in CSV and JSON: far finer than the weight of one query


class Kind(NamedTuple):
    """A kind of table: the columns of its CSV, how a row is displayed, and the explanation of its cells."""

    columns: list[str]
    cells: Callable[[Row], dict[str, str]]
    note: str


def compare_variants(
    settings: CompareVariants, score_files: Iterable[Path | str], output_folder: Path | str
) -> list[Path]:
    """Write `<table>.{csv,md,tex,json}`, `<table>_differences.*` if the table has differences, and metrics.json.

    Returns:
        The files written.

    Raises:
        UserError: tables is empty, or score files are missing, malformed or inconsistent.
    """
    if not settings.tables:
        raise UserError("tables: is empty; add a table to params.yaml")
    scores = read_scores(score_files)
    folder = Path(output_folder)
    written = [folder / METRICS_FILE]
    for name, (caption, rows, kind) in _content(settings, scores).items():
        written += _write_table(folder / name, labelled(caption, rows), [_rounded(row) for row in rows], kind)
    write_json(folder / METRICS_FILE, headline_metrics(scores))
    return written


def _content(settings: CompareVariants, scores: Scores) -> dict[str, tuple[str, list[Row], Kind]]:
    """Caption, rows and kind of every table by its name."""
    design = Design(
        drawn=[name for name, dataset in settings.datasets.items() if dataset.has_draws],
        training_identities={
            name: dataset.training_identities
            for name, dataset in settings.datasets.items()
            if dataset.training_identities is not None
        },
        untrained=settings.untrained,
    )
    content: dict[str, tuple[str, list[Row], Kind]] = {}
    decided: set[tuple[str, str, frozenset[str]]] = set()
    if asked := settings.primary:
        pairs = [pair for setting in asked.settings.values() for pair in setting]
        decided = {(asked.dataset, asked.protocol, frozenset(pair)) for pair in pairs}
        rows = primary_rows(scores, asked.dataset, asked.protocol, asked.settings, asked.level, design)
        caption = f"The primary question: mAP on {asked.dataset}, {protocol_label(asked.protocol).lower()}."
        content[PRIMARY] = (caption, rows, PRIMARY_KIND)
    for name, table in settings.tables.items():
        content[name] = (table.caption, compare_rows(scores, table.variants, design), ROW_KIND)
        if table.differences:
            rows = compare_pairs(scores, table.differences, design, decided)
            content[differences_table(name)] = (table.caption, rows, DIFFERENCE_KIND)
    return content


def labelled(caption: str, rows: Iterable[Row]) -> str:
    """The caption of a table, with a note if any of its rows was selected on the test set."""
    chosen = any(row["protocol"].endswith(SELECTED_ON_TEST) for row in rows)
    return caption + (" Rows selected on the test set flatter their variant; do not compare them." if chosen else "")


def headline_metrics(scores: Scores) -> dict[str, Any]:
    """Mean mAP, Rank-1 and mINP over runs, nested by dataset, protocol and variant, for `dvc metrics show`.

    For comparison at a glance: only the first scored protocol of each dataset, without re-ranking; variants selected on
    the test set are under a protocol of their own. The tables contain everything.
    """
    out: dict[str, Any] = {}
    means = scores.runs.groupby(["dataset", "protocol", "variant"], sort=True)[list(HEADLINES)].mean()
    rows = means.reset_index().to_dict("records")
    order = [name for names in PROTOCOLS.values() for name in names]
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        own = [row for row in rows if row["dataset"] == dataset]
        first = min((row["protocol"].split("-")[0] for row in own), key=order.index)
        for row in own:
            base, *suffixes = row["protocol"].split("-")
            if base == first and "reranked" not in suffixes:
                place = out.setdefault(dataset, {}).setdefault(row["protocol"], {})
                place[row["variant"]] = {metric: round(float(row[metric]), DIGITS) for metric in HEADLINES}
    return out


def percent(value: float | None, std: float | None = None, *, sign: bool = False) -> str:
    """A fraction in percent with one decimal, followed by its spread: `47.2 ± 0.5`; empty for None."""
    if value is None:
        return ""
    text = f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    text = "0.0" if float(text) == 0 else text
    return (text if std is None else f"{text} ± {100 * std:.1f}").replace("-", MINUS)


def interval(low: float, high: float, *, sign: bool = False) -> str:
    """An interval in percent: `[45.1, 49.0]`."""
    return f"[{percent(low, sign=sign)}, {percent(high, sign=sign)}]"


def p_value(p: float | None) -> str:
    """A p-value with three decimals, four below 0.001 and `<0.0001` below that; empty for None."""
    if p is None:
        return ""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.001 else f"{p:.3f}"


def descriptive_p(row: Row) -> str:
    """The p-value of a difference; that of random permutations is a bound where none of them was as large."""
    at_floor = row["test"] == "permutation" and row["p"] <= paired_tests.FLOOR
    return f"\N{LESS-THAN OR EQUAL TO}{paired_tests.FLOOR:.4f}" if at_floor else p_value(row["p"])


def row_cells(row: Row) -> dict[str, str]:
    """The cells of a row as displayed, without dataset and protocol."""
    cells = {"Variant": row["variant"], "Runs": str(len(row["runs"]))}
    cells["mAP"] = percent(row["map_mean"], row["map_std"])
    cells["mAP interval"] = interval(row["map_low"], row["map_high"])
    for metric, name in zip(METRICS[1:], ("Rank-1", "Rank-5", "Rank-10", "Rank-20", "mINP"), strict=True):
        cells[name] = percent(row[f"{metric}_mean"], row[f"{metric}_std"])
    return cells


def difference_cells(row: Row) -> dict[str, str]:
    """The cells of a difference as displayed, without dataset and protocol."""
    cells = {"Difference": f"{row['a']} {MINUS} {row['b']}"}
    for metric, name in (("map", "mAP"), ("rank_1", "Rank-1")):
        cells[name] = percent(row[f"{metric}_difference"], row[f"{metric}_std"], sign=True)
        cells[f"{name} interval"] = interval(row[f"{metric}_low"], row[f"{metric}_high"], sign=True)
    return cells | {"p": descriptive_p(row) or EMPTY, "mAP by run": signed(row["map_by_run"])}


def primary_cells(row: Row) -> dict[str, str]:
    """The cells of a contrast of the primary question as displayed, without dataset and protocol."""
    cells = {"Setting": row["setting"], "Contrast": f"{row['a']} {MINUS} {row['b']}"}
    cells["mAP"] = percent(row["map_difference"], sign=True) or EMPTY
    known = row["map_low"] is not None
    cells["Interval"] = interval(row["map_low"], row["map_high"], sign=True) if known else EMPTY
    cells["p"] = p_value(row["p"]) or EMPTY
    cells["Verdict"] = row["verdict"]
    cells["Detectable"] = percent(row["detectable"]) or EMPTY
    return cells | {"By draw": signed(row["by_draw"].values()) or EMPTY}


def signed(values: Iterable[float]) -> str:
    """Fractions in percent with their signs: `+1.2, +0.3`."""
    return ", ".join(percent(value, sign=True) for value in values)


ROW_KIND = Kind(
    [
        "dataset", "protocol", "variant", "seeds",
        *[f"{metric}_{kind}" for metric in METRICS for kind in ("mean", "std")],
        "map_low", "map_high", "splits", "identities",
    ],
    row_cells,
    "Metrics in percent: mean over runs (seeds and splits), ± standard deviation from three runs on; in brackets the "
    "95 % bootstrap interval over test identities, for these models.",
)  # fmt: skip
DIFFERENCE_KIND = Kind(
    [
        "dataset", "protocol", "a", "b", "seeds", "splits", "identities",
        *[f"{metric}_{kind}" for metric in ("map", "rank_1") for kind in ("difference", "std", "low", "high")],
        "p", "test", "map_by_run",
    ],
    difference_cells,
    "Differences in percentage points, paired by seed and split: mean over runs, ± standard deviation from three runs "
    "on. In brackets: 95 % intervals over test identities for these models, which hold for all rows of this table at "
    "once (max-T). p, which is descriptive and not corrected: permutation test over identities for these models, or, "
    "from three splits of the same people on, the corrected resampled t-test. A dash: the primary question tests it.",
)  # fmt: skip
PRIMARY_KIND = Kind(
    [
        "dataset", "protocol", "setting", "a", "b", "draws", "seeds", "identities", "alpha",
        "map_difference", "map_low", "map_high", "p", "verdict", "detectable", "by_draw",
    ],
    primary_cells,
    "Differences in percentage points of mAP. A draw has people, cameras and trainings of its own and gives one value, "
    "the mean over its test identities and seeds. Interval and p: two-sided one-sample t-test over draws. In each "
    "setting contrasts are tested in this order at the level of the setting, each only if the one before it was "
    "supported. Not run: no scores of both variants. Detectable: the difference that this test finds with 80 % power.",
)  # fmt: skip


def to_markdown(caption: str, rows: Sequence[Row], kind: Kind) -> str:
    """A table as GitHub Markdown, with its caption above and an explanation of its cells below."""
    cells = _displayed(rows, kind)
    lines = [f"**{caption}**", ""]
    if not cells:
        return "\n".join([*lines, "No scores yet."]) + "\n"
    lines.append("| " + " | ".join(cells[0]) + " |")
    lines.append("|" + "|".join(" --- " if i < 3 else " ---: " for i in range(len(cells[0]))) + "|")
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in cell.values()) + " |" for cell in cells]
    return "\n".join([*lines, "", kind.note]) + "\n"


def to_latex(caption: str, rows: Sequence[Row], kind: Kind) -> str:
    """A table as a LaTeX `table` with booktabs rules."""
    cells = _displayed(rows, kind)
    header = list(cells[0]) if cells else ["Dataset", "Protocol", "Variant"]
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}"]
    lines += [rf"\begin{{tabular}}{{lll{'r' * (len(header) - 3)}}}", r"\toprule"]
    lines += [" & ".join(map(_latex, header)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_latex, cell.values())) + r" \\" for cell in cells]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _write_table(base: Path, caption: str, rows: list[Row], kind: Kind) -> list[Path]:
    flat = [{name: _in_csv(value) for name, value in row.items()} for row in rows]
    content = {"table": base.name, "caption": caption, "note": kind.note, "rows": rows}
    writers: dict[str, Callable[[Path], None]] = {
        ".csv": lambda path: write_csv(path, pd.DataFrame(flat, columns=kind.columns)),
        ".md": lambda path: write_text(path, to_markdown(caption, rows, kind)),
        ".tex": lambda path: write_text(path, to_latex(caption, rows, kind)),
        ".json": lambda path: write_json(path, content),
    }
    for suffix, write in writers.items():
        write(base.with_name(base.name + suffix))
    return [base.with_name(base.name + suffix) for suffix in writers]


def _in_csv(value: Any) -> Any:
    """Several numbers as one cell, separated by spaces."""
    values = value.values() if isinstance(value, dict) else value
    return " ".join(map(str, values)) if isinstance(value, dict | list) else value


def _displayed(rows: Sequence[Row], kind: Kind) -> list[dict[str, str]]:
    return [{"Dataset": row["dataset"], "Protocol": protocol_label(row["protocol"])} | kind.cells(row) for row in rows]


def _rounded(value: Any) -> Any:
    """Round floats to DIGITS decimals, at any depth, so that files do not differ in the last bits."""
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, DIGITS) + 0.0 if isinstance(value, float) else value


def _latex(text: str) -> str:
    for symbol in "&%_#$":
        text = text.replace(symbol, f"\\{symbol}")
    for symbol, command in (("±", r"$\pm$"), (MINUS, r"$-$"), ("<", r"$<$"), ("\N{LESS-THAN OR EQUAL TO}", r"$\le$")):
        text = text.replace(symbol, command)
    return text
