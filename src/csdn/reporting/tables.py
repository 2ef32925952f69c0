"""Write the tables of params.yaml as CSV, Markdown, LaTeX and JSON, and the metrics file that DVC shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from csdn.artifacts.files import write_csv, write_json, write_text
from csdn.config.base import PROTOCOLS
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.results.scores import read_scores
from csdn.statistics.comparison import Row, compare_pairs, compare_rows
from csdn.statistics.scores import METRICS, Scores
from csdn.steps.reporting import CompareVariants
from csdn.study.files import differences_table
from csdn.study.labels import MINUS, SELECTED_ON_TEST, protocol_label
from csdn.study.paths import METRICS as METRICS_FILE

ROW_COLUMNS = [
    "dataset", "protocol", "variant", "seeds",
    *[f"{metric}_{kind}" for metric in METRICS for kind in ("mean", "std")],
    "map_low", "map_high", "above", "difference_above", "p_above", "splits", "identities",
]  # fmt: skip
DIFFERENCE_COLUMNS = [
    "dataset", "protocol", "a", "b", "seeds", "splits", "identities",
    *[f"{metric}_{kind}" for metric in ("map", "rank_1") for kind in ("difference", "std", "low", "high")],
    "p_permutation", "p_permutation_holm", "p_wilcoxon", "p_wilcoxon_holm", "p_seeds", "effect_size", "detectable",
]  # fmt: skip
EMPTY = "\N{EN DASH}"
HEADLINES = ("map", "rank_1", "minp")
DIGITS = 6  # decimals of fractions in CSV and JSON: far finer than the weight of one query
ROW_NOTE = (
    "Metrics in percent: mean ± standard deviation over runs (seeds and splits); in brackets the 95 % bootstrap "
    "interval over test identities; p: permutation test of per-identity average precision against the row above, "
    "Holm-corrected within this table."
)
DIFFERENCE_NOTE = (
    "Differences in percentage points, paired by seed and split: mean ± standard deviation over runs; in brackets the "
    "95 % bootstrap interval over test identities; p of the permutation and Wilcoxon tests over identities, "
    "Holm-corrected within this table; p (seeds), from three seeds on, is for further seeds and identities, "
    "uncorrected."
)


def compare_variants(
    params: Params | CompareVariants, score_files: Iterable[Path | str], output_folder: Path | str
) -> list[Path]:
    """Write `<table>.{csv,md,tex,json}`, `<table>_differences.*` if the table has differences, and metrics.json.

    Returns:
        The files written.

    Raises:
        UserError: params.tables is empty, or score files are missing, malformed or inconsistent.
    """
    if not params.tables:
        raise UserError("tables: is empty; add a table to params.yaml")
    scores = read_scores(score_files)
    folder = Path(output_folder)
    content: dict[str, tuple[str, list[Row], bool]] = {}
    for name, table in params.tables.items():
        content[name] = (table.caption, compare_rows(scores, table.variants), False)
        if table.differences:
            content[differences_table(name)] = (table.caption, compare_pairs(scores, table.differences), True)
    written = [folder / METRICS_FILE]
    for name, (caption, rows, is_difference) in content.items():
        written += _write_table(folder / name, labelled(caption, rows), [_rounded(row) for row in rows], is_difference)
    write_json(folder / METRICS_FILE, headline_metrics(scores))
    return written


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
    """A p-value with three decimals, `<0.001` below; empty for None."""
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def row_cells(row: Row) -> dict[str, str]:
    """The cells of a row as displayed, without dataset and protocol."""
    cells = {"Variant": row["variant"], "Runs": str(len(row["runs"]))}
    cells["mAP"] = percent(row["map_mean"], row["map_std"])
    cells["mAP interval"] = interval(row["map_low"], row["map_high"])
    for metric, name in zip(METRICS[1:], ("Rank-1", "Rank-5", "Rank-10", "Rank-20", "mINP"), strict=True):
        cells[name] = percent(row[f"{metric}_mean"], row[f"{metric}_std"])
    return cells | {"p (row above)": p_value(row["p_above"])}


def difference_cells(row: Row) -> dict[str, str]:
    """The cells of a difference as displayed, without dataset and protocol."""
    cells = {"Difference": f"{row['a']} {MINUS} {row['b']}", "Runs": str(len(row["map_by_run"]))}
    for metric, name in (("map", "mAP"), ("rank_1", "Rank-1")):
        cells[name] = percent(row[f"{metric}_difference"], row[f"{metric}_std"], sign=True)
        cells[f"{name} interval"] = interval(row[f"{metric}_low"], row[f"{metric}_high"], sign=True)
    cells["p permutation"] = p_value(row["p_permutation_holm"])
    cells["p Wilcoxon"] = p_value(row["p_wilcoxon_holm"])
    cells["p (seeds)"] = p_value(row["p_seeds"]) or EMPTY
    effect = row["effect_size"]
    text = "" if effect is None else f"{effect:+.2f}".replace("-", MINUS)
    return cells | {"Effect size": "0.00" if text[1:] == "0.00" else text}


def to_markdown(caption: str, rows: Sequence[Row], is_difference: bool) -> str:
    """A table as GitHub Markdown, with its caption above and an explanation of its cells below."""
    cells = _displayed(rows, is_difference)
    lines = [f"**{caption}**", ""]
    if not cells:
        return "\n".join([*lines, "No scores yet."]) + "\n"
    lines.append("| " + " | ".join(cells[0]) + " |")
    lines.append("|" + "|".join(" --- " if i < 3 else " ---: " for i in range(len(cells[0]))) + "|")
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in cell.values()) + " |" for cell in cells]
    return "\n".join([*lines, "", DIFFERENCE_NOTE if is_difference else ROW_NOTE]) + "\n"


def to_latex(caption: str, rows: Sequence[Row], is_difference: bool) -> str:
    """A table as a LaTeX `table` with booktabs rules."""
    cells = _displayed(rows, is_difference)
    header = list(cells[0]) if cells else ["Dataset", "Protocol", "Variant"]
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}"]
    lines += [rf"\begin{{tabular}}{{lll{'r' * (len(header) - 3)}}}", r"\toprule"]
    lines += [" & ".join(map(_latex, header)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_latex, cell.values())) + r" \\" for cell in cells]
    lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _write_table(base: Path, caption: str, rows: list[Row], is_difference: bool) -> list[Path]:
    columns = DIFFERENCE_COLUMNS if is_difference else ROW_COLUMNS
    note = DIFFERENCE_NOTE if is_difference else ROW_NOTE
    writers: dict[str, Callable[[Path], None]] = {
        ".csv": lambda path: write_csv(path, pd.DataFrame(rows, columns=columns)),
        ".md": lambda path: write_text(path, to_markdown(caption, rows, is_difference)),
        ".tex": lambda path: write_text(path, to_latex(caption, rows, is_difference)),
        ".json": lambda path: write_json(path, {"table": base.name, "caption": caption, "note": note, "rows": rows}),
    }
    for suffix, write in writers.items():
        write(base.with_name(base.name + suffix))
    return [base.with_name(base.name + suffix) for suffix in writers]


def _displayed(rows: Sequence[Row], is_difference: bool) -> list[dict[str, str]]:
    show = difference_cells if is_difference else row_cells
    return [{"Dataset": row["dataset"], "Protocol": protocol_label(row["protocol"])} | show(row) for row in rows]


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
    for symbol, command in (("±", r"$\pm$"), (MINUS, r"$-$"), ("<", r"$<$")):
        text = text.replace(symbol, command)
    return text
