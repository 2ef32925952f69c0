"""Charts: data in, matplotlib Figure out. Colours are Okabe and Ito's, and never the only mark of a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from csdn.statistics.primary import SUPPORTED
from csdn.study.labels import MINUS, loss_label, protocol_label

INK, MUTED, RULE, GRID, PAPER = "#1f2328", "#59636e", "#d0d7de", "#e6eaef", "#ffffff"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#6b4fa0")
MARKERS = ("o", "s", "^", "D", "v", "p", "h", "8")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1)), (0, (8, 2)))
WIDTH = 7.6  # inches of every figure: readable at the page's text width


@dataclass(frozen=True)
class MarkStyle:
    """How a variant is drawn in every figure."""

    colour: str
    marker: str
    dash: Any


UNTRAINED = MarkStyle(MUTED, "o", "-")


def styles_of(variants: Sequence[str]) -> dict[str, MarkStyle]:
    """A style for each variant, by its place in params.yaml, so that it is the same in all figures."""
    return {
        name: MarkStyle(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], DASHES[i % len(DASHES)])
        for i, name in enumerate(variants)
    }


def training_curves(histories: Mapping[str, Sequence[pd.DataFrame]], styles: Mapping[str, MarkStyle]) -> Figure:
    """Validation mAP, if any run has it, and each loss term over epochs: the mean over runs, and runs as thin lines.

    Args:
        histories: the history.csv of each run of each variant; columns epoch (from 0), loss terms
            and optionally validation_map.
        styles: from `styles_of`.
    """
    terms = list(dict.fromkeys(c for runs in histories.values() for run in runs for c in loss_terms(run)))
    every = [run for runs in histories.values() for run in runs]
    validated = any("validation_map" in run and run["validation_map"].notna().any() for run in every)
    columns = (["validation_map"] if validated else []) + terms
    figure, axes = panels(len(columns), height=1.85)
    for axis, column in zip(axes, columns, strict=True):
        percent = column.startswith("validation")
        for variant, runs in histories.items():
            _curve(axis, runs, column, styles[variant], 100.0 if percent else 1.0)
        axis.set_title("Validation mAP, %" if percent else loss_label(column))
        axis.set_xlabel("epoch")
    legend(figure, [(name, styles[name]) for name in histories])
    return figure


def stage_one_curves(histories: Mapping[str, Mapping[str, Sequence[pd.DataFrame]]]) -> Figure:
    """Loss and image-to-text accuracy of both modalities over the epochs of stage 1: one row of panels a step.

    Args:
        histories: for "Prompts" and "Fusion" the history.csv of each run of each key; columns epoch (from 0), loss,
            accuracy_visible, accuracy_infrared (fractions).
    """
    columns = {"loss": "loss", "accuracy_visible": "visible match, %", "accuracy_infrared": "infrared match, %"}
    figure = Figure(figsize=(WIDTH, 2.35 * len(histories)), layout="constrained")
    grid = figure.subplots(len(histories), len(columns), squeeze=False, gridspec_kw={"hspace": 0.1})
    for row, (step, runs_of) in zip(grid, histories.items(), strict=True):
        styles = styles_of(list(runs_of))
        for axis, (column, name) in zip(row, columns.items(), strict=True):
            for key, runs in runs_of.items():
                _curve(axis, runs, column, styles[key], 1.0 if column == "loss" else 100.0)
            if column != "loss":
                axis.set_ylim(-3, 103)
            axis.set_title(f"{step}: {name}")
            axis.set_xlabel("epoch")
        handles = [handle(style, name) for name, style in styles.items()]
        row[0].legend(handles=handles, loc="upper right", handlelength=2.6, fontsize=7.5)
    return figure


def component_chart(
    rows: Sequence[Mapping[str, Any]], variants: Sequence[str], styles: Mapping[str, MarkStyle]
) -> Figure:
    """mAP of every variant: a small mark for each run, a large one for the mean, a bar for the interval.

    Args:
        rows: rows of a table of one dataset (fractions), any number of protocols.
        variants: from top to bottom; those without a row are omitted.
        styles: from `styles_of`.
    """
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    names = [name for name in variants if any(row["variant"] == name for row in rows)]
    figure, axes = panels(len(protocols), height=0.85 + 0.27 * len(names), across=2)
    for axis, protocol in zip(axes, protocols, strict=True):
        for row in rows:
            if row["protocol"] == protocol:
                mark = styles[row["variant"]]
                values, ends = [run["map"] for run in row["runs"]], (row["map_low"], row["map_high"])
                dots(axis, names.index(row["variant"]), row["map_mean"], values, ends, mark, hollow=False)
        _rows_of(axis, names, protocol_label(protocol), "mAP, %")
    _share_limits(axes)
    return figure


def difference_chart(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Differences in mAP with their intervals, runs as small marks; hollow if the interval contains zero.

    Args:
        rows: rows of a table of differences of one dataset (fractions).
    """
    panels_of = {row["protocol"]: protocol_label(row["protocol"]) for row in rows}
    marked = [
        {**row, "panel": row["protocol"], "values": row["map_by_run"], "hollow": row["map_low"] <= 0 <= row["map_high"]}
        for row in rows
    ]
    return _differences(marked, panels_of)


def primary_chart(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Contrasts of the primary question, a row for each, settings below one another; hollow if not supported.

    Small marks are draws. A contrast that was not run has its row and no mark.

    Args:
        rows: rows of the primary table (fractions).
    """
    marked = [
        {**row, "panel": row["setting"], "values": [*row["by_draw"].values()], "hollow": row["verdict"] != SUPPORTED}
        for row in rows
    ]
    return _differences(marked, {row["setting"]: row["setting"].replace("_", " ") for row in rows}, across=1)


def _differences(rows: Sequence[Mapping[str, Any]], panels_of: Mapping[str, str], across: int = 2) -> Figure:
    """Rows with `panel`, `values` and `hollow`; titles by panel. Panels beside each other have the same rows."""

    def names_of(those: Sequence[Mapping[str, Any]]) -> list[str]:
        return list(dict.fromkeys(f"{row['a']} {MINUS} {row['b']}" for row in those))

    own = {panel: [row for row in rows if row["panel"] == panel] for panel in panels_of}
    names = {panel: names_of(rows if across > 1 else own[panel]) for panel in panels_of}
    figure, axes = panels(len(panels_of), height=0.85 + 0.27 * max(map(len, names.values())), across=across)
    for axis, (panel, title) in zip(axes, panels_of.items(), strict=True):
        axis.axvline(0, color=MUTED, linewidth=1)
        for row in (row for row in own[panel] if row["map_difference"] is not None):
            mark = MarkStyle(MUTED if row["hollow"] else COLOURS[0], "o", "-")
            place = names[panel].index(f"{row['a']} {MINUS} {row['b']}")
            ends = () if row["map_low"] is None else (row["map_low"], row["map_high"])
            dots(axis, place, row["map_difference"], row["values"], ends, mark, hollow=row["hollow"])
        _rows_of(axis, names[panel], title, "difference in mAP, points")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", MINUS) if value else "0")
    _share_limits(axes)
    return figure


def match_curves(rows: Sequence[Mapping[str, Any]], styles: Mapping[str, MarkStyle]) -> Figure:
    """Cumulative match characteristics: share of queries whose first match is found within the first k ranks.

    Bars are intervals over identities; those of one rank are side by side, so that they can be distinguished.

    Args:
        rows: rows of a table of one dataset, each with `cmc`: (ranks,) fractions, and `cmc_intervals`: rank as text ->
            its two ends.
        styles: from `styles_of`.
    """
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    names = list(dict.fromkeys(row["variant"] for row in rows))
    figure, axes = panels(len(protocols), height=2.6, across=2)
    for axis, protocol in zip(axes, protocols, strict=True):
        for row in rows:
            if row["protocol"] == protocol:
                mark = styles[row["variant"]]
                ranks = np.arange(1, len(row["cmc"]) + 1)
                axis.plot(ranks, 100 * np.asarray(row["cmc"]), color=mark.colour, linestyle=mark.dash, linewidth=1.3)
                offset = (names.index(row["variant"]) - (len(names) - 1) / 2) * min(0.28, 1.6 / len(names))
                for rank, (low, high) in row["cmc_intervals"].items():
                    ends = [100 * low, 100 * high]
                    axis.plot([int(rank) + offset] * 2, ends, color=mark.colour, linewidth=2.2, alpha=0.75)
        axis.set_title(f"{protocol_label(protocol)}: queries matched, %")
        axis.set_xlabel("within the first k ranks")
        axis.set_xticks([1, 5, 10, 15, 20])
        axis.set_ylim(0, 102)
    legend(figure, [(name, styles[name]) for name in names])
    return figure


def loss_terms(history: pd.DataFrame) -> list[str]:
    """Columns of history.csv that are loss terms, without their sum, because variants have different terms."""
    other, prefixes = (
        {"epoch", "step", "learning_rate", "seconds", "loss"},
        ("validation", "test", "description", "distance"),
    )
    return [c for c in history.columns if c not in other and not c.startswith(prefixes)]


def _curve(axis: Axes, runs: Sequence[pd.DataFrame], column: str, mark: MarkStyle, scale: float) -> None:
    """Mean over runs of one column against the epochs trained; empty if no run has it."""
    known = [run.dropna(subset=[column]) for run in runs if column in run]
    series = [pd.Series(run[column].to_numpy() * scale, run["epoch"].to_numpy() + 1) for run in known if len(run)]
    if not series:
        return
    if len(series) > 1:
        for one in series:
            axis.plot(one.index, one.to_numpy(), color=mark.colour, linewidth=0.7, alpha=0.35)
    mean = pd.concat(series, axis=1).mean(axis=1)
    marker = mark.marker if len(mean) == 1 else None
    axis.plot(mean.index, mean.to_numpy(), color=mark.colour, linestyle=mark.dash, marker=marker)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def dots(
    axis: Axes, place: int, mean: float, values: Sequence[float], ends: Sequence[float], mark: MarkStyle, hollow: bool
) -> None:
    """A mean with its interval, if it has one, as a bar and single runs as ticks below it, in percent of fractions."""
    axis.plot([100 * e for e in ends], [place] * len(ends), color=mark.colour, linewidth=3.2, alpha=0.35)
    if len(values) > 1:
        offsets = place + 0.26 + np.zeros(len(values))
        axis.plot(100 * np.asarray(values), offsets, "|", color=mark.colour, markersize=5, markeredgewidth=1.3)
    face = PAPER if hollow else mark.colour
    edge = mark.colour if hollow else PAPER
    axis.plot(100 * mean, place, mark.marker, color=face, markeredgecolor=edge, markeredgewidth=1.2, markersize=7.5)


def _rows_of(axis: Axes, names: Sequence[str], title: str, unit: str) -> None:
    subplot = axis.get_subplotspec()
    first = subplot is None or subplot.is_first_col()
    axis.set_yticks(range(len(names)), list(names) if first else [""] * len(names))
    axis.set_xlabel(unit)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.tick_params(axis="y", length=0, labelcolor=INK)
    axis.grid(axis="y", visible=False)
    axis.spines["left"].set_visible(False)
    axis.set_title(title)


def _share_limits(axes: Sequence[Axes]) -> None:
    """Panels that are compared by eye have one scale."""
    ends = [axis.get_xlim() for axis in axes]
    for axis in axes:
        axis.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))


def panels(count: int, height: float, across: int = 3) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `across` in a row; unused ones stay empty."""
    across = min(across, max(count, 1))
    down = max(1, -(-count // across))
    figure = Figure(figsize=(WIDTH, height * down + 0.35), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False, gridspec_kw={"hspace": 0.1}).flat)
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes[:count]


def handle(mark: MarkStyle, name: str) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], color=mark.colour, linestyle=mark.dash, label=name)


def legend(figure: Figure, named: Sequence[tuple[str, MarkStyle]]) -> None:
    """One legend above all panels."""
    handles = [handle(mark, name) for name, mark in named]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(6, len(handles)), handlelength=2.6)
