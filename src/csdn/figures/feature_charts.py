"""Charts of features, descriptions and attributes: arrays in, matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from csdn.figures.charts import COLOURS, INK, MUTED, PAPER, WIDTH, MarkStyle, panels
from csdn.figures.distances import BINS, LARGEST, PAIRS, Histograms
from csdn.study.labels import protocol_label

SAME, DIFFERENT = COLOURS[0], COLOURS[1]


class Likeness(NamedTuple):
    """Cosine similarity of images (N,) to their own description and to the nearest other one."""

    own: NDArray[np.float32]
    hardest: NDArray[np.float32]


def distance_chart(histograms: Mapping[str, Mapping[str, Histograms]]) -> Figure:
    """A row of panels for each variant: distances of one person's images (filled) and of different people's (line).

    Args:
        histograms: variant -> pair of modalities -> from `distance_histograms`.
    """
    edges = np.linspace(0, LARGEST, BINS + 1)
    figure = Figure(figsize=(WIDTH, 0.75 + 0.88 * len(histograms)), layout="constrained")
    grid = figure.subplots(len(histograms), len(PAIRS), squeeze=False, sharex=True)
    filled = np.sum([h.same + h.different for by_pair in histograms.values() for h in by_pair.values()], axis=0) > 2e-4
    for row, (variant, by_pair) in zip(grid, histograms.items(), strict=True):
        for axis, pair in zip(row, PAIRS, strict=True):
            axis.stairs(by_pair[pair].same, edges, fill=True, color=SAME, alpha=0.45)
            axis.stairs(by_pair[pair].different, edges, color=DIFFERENT, linewidth=1.3)
            axis.text(0.98, 0.93, f"overlap {by_pair[pair].overlap:.2f}", transform=axis.transAxes, ha="right",
                      va="top", fontsize=7.5, color=INK)  # fmt: skip
            axis.set(yticks=[], xlim=(edges[:-1][filled].min(), edges[1:][filled].max()))
            axis.set_ylim(0, 1.3 * max(by_pair[pair].same.max(), by_pair[pair].different.max(), 1e-9))
            axis.grid(axis="y", visible=False)
            axis.spines["left"].set_visible(False)
        row[0].set_ylabel(variant, rotation=0, ha="right", va="center", color=INK)
    for axis, pair in zip(grid[0], PAIRS, strict=True):
        axis.set_title(pair.capitalize())
    for axis in grid[-1]:
        axis.set_xlabel("cosine distance")
    marks = [
        Patch(color=SAME, alpha=0.45, label="same person"),
        Line2D([], [], color=DIFFERENT, label="different people"),
    ]
    figure.legend(handles=marks, loc="outside upper left", ncols=2)
    return figure


def description_chart(likeness: Mapping[str, Mapping[str, Likeness]]) -> Figure:
    """A row for each network, a panel for each modality: images above the diagonal are nearest to their description."""
    figure = Figure(figsize=(WIDTH, 0.2 + 3.15 * len(likeness)), layout=ConstrainedLayoutEngine(h_pad=0.08))
    columns = list(next(iter(likeness.values())))
    grid = figure.subplots(len(likeness), len(columns), squeeze=False)
    for row, (network, by_modality) in zip(grid, likeness.items(), strict=True):
        values = np.concatenate([np.concatenate(pair) for pair in by_modality.values()])
        ends = float(values.min()) - 0.03, float(values.max()) + 0.03
        for n, (axis, modality) in enumerate(zip(row, columns, strict=True)):
            pair = by_modality[modality]
            axis.plot(ends, ends, color=MUTED, linewidth=1)
            axis.plot(pair.hardest, pair.own, "o" if n == 0 else "^", color=COLOURS[n], markersize=3, alpha=0.5,
                      markeredgewidth=0)  # fmt: skip
            share = 100 * float((pair.own > pair.hardest).mean())
            axis.set_title(f"{network}, {modality}: {share:.0f} % above")
            axis.set(xlim=ends, ylim=ends, aspect="equal")
        row[0].set_ylabel("similarity to the own description")
    for axis in grid[-1]:
        axis.set_xlabel("similarity to the nearest other description")
    return figure


def sweep_chart(
    rows: Sequence[Mapping[str, Any]], values: Mapping[str, float], name: str, mark: MarkStyle, fixed: str | None
) -> Figure:
    """mAP over the values of one setting, evenly spaced: mean, interval over identities, and runs as ticks.

    Args:
        rows: rows of a table of one dataset.
        values: variant -> the setting's value in it.
        name: of the setting.
        mark: style of the marks.
        fixed: the variant that the other figures show; its mark is filled.
    """
    protocols = list(dict.fromkeys(row["protocol"] for row in rows))
    order = sorted(values, key=lambda variant: values[variant])
    figure, axes = panels(len(protocols), height=2.4, across=2)
    for axis, protocol in zip(axes, protocols, strict=True):
        own = {row["variant"]: row for row in rows if row["protocol"] == protocol and row["variant"] in values}
        known = [variant for variant in order if variant in own]
        means = [100 * own[variant]["map_mean"] for variant in known]
        axis.plot([order.index(variant) for variant in known], means, color=mark.colour, linewidth=1)
        for variant in known:
            x, row = order.index(variant), own[variant]
            ends = [100 * row["map_low"], 100 * row["map_high"]]
            axis.plot([x, x], ends, color=mark.colour, linewidth=3.2, alpha=0.35)
            runs = [100 * run["map"] for run in row["runs"]]
            if len(runs) > 1:
                axis.plot([x + 0.13] * len(runs), runs, "_", color=mark.colour, markersize=5, markeredgewidth=1.3)
            face = mark.colour if variant == fixed else PAPER
            axis.plot(x, 100 * row["map_mean"], "o", color=mark.colour, markerfacecolor=face, markersize=6)
        axis.set_xticks(range(len(order)), [f"{values[v]:g}" for v in order])
        axis.set_xlim(-0.5, len(order) - 0.5)
        axis.set_title(f"{protocol_label(protocol)}: mAP, %")
        axis.set_xlabel(name)
    return figure


def attribute_chart(table: pd.DataFrame) -> Figure:
    """Zero-shot balanced accuracy of each attribute: a circle for visible, a triangle for infrared, a tick for chance.

    Args:
        table: columns attribute, modality, balanced_accuracy and chance (fractions).
    """
    names = list(dict.fromkeys(table["attribute"]))
    figure, (axis,) = panels(1, height=0.75 + 0.29 * len(names))
    columns = ["attribute", "modality", "balanced_accuracy", "chance"]
    for attribute, modality, accuracy, chance in table[columns].itertuples(index=False):
        mark = MODALITY_MARKS[modality]
        place = names.index(attribute) + (0.15 if modality == "infrared" else -0.15)
        axis.plot([100 * chance, 100 * accuracy], [place, place], color=mark.colour, linewidth=2.5, alpha=0.25)
        axis.plot(100 * chance, names.index(attribute), "|", color=INK, markersize=10, markeredgewidth=1.6)
        face = mark.colour if modality == "visible" else PAPER
        axis.plot(100 * accuracy, place, mark.marker, color=mark.colour, markerfacecolor=face, markersize=6.5)
    axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
    axis.tick_params(axis="y", length=0, labelcolor=INK)
    axis.grid(axis="y", visible=False)
    axis.set(xlim=(0, 100), ylim=(len(names) - 0.4, -0.6), xlabel="balanced accuracy, %")
    marks = [
        Line2D([], [], linestyle="", marker=mark.marker, color=mark.colour, label=name,
               markerfacecolor=mark.colour if name == "visible" else PAPER)
        for name, mark in MODALITY_MARKS.items()
    ]  # fmt: skip
    marks.append(Line2D([], [], linestyle="", marker="|", color=INK, markersize=9, markeredgewidth=1.6, label="chance"))
    figure.legend(handles=marks, loc="outside upper left", ncols=3)
    return figure


MODALITY_MARKS = {"visible": MarkStyle(COLOURS[0], "o", "-"), "infrared": MarkStyle(COLOURS[1], "^", "-")}
