"""Features of images in the plane, before and after training. Pure: arrays in, arrays or a matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from csdn.data.vectors import unit_vectors
from csdn.figures.charts import COLOURS, INK, MUTED, PAPER, WIDTH

PERPLEXITY = 15.0


def plane(features: NDArray[np.float32], seed: int = 0) -> NDArray[np.float64]:
    """t-SNE of cosine distances, initialised by principal components: (N, dim) -> (N, 2), each axis in [-1, 1]."""
    from sklearn.manifold import TSNE  # imported here because it takes a second and only this figure needs it
    from threadpoolctl import threadpool_limits

    unit = unit_vectors(features)
    perplexity = min(PERPLEXITY, (len(unit) - 1) / 3)
    with threadpool_limits(1):  # with more, the order of additions, and so the figure, would depend on their number
        places = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(unit)
    places = places - (places.max(0) + places.min(0)) / 2
    return places / np.maximum(np.abs(places).max(), 1e-12)


def nearest_share(features: NDArray[np.float32], person_ids: NDArray[np.int64], infrared: NDArray[np.bool_]) -> float:
    """Share of infrared images whose nearest visible image, by cosine, shows the same person."""
    unit = unit_vectors(features)
    nearest = (unit[infrared] @ unit[~infrared].T).argmax(axis=1)
    return float((person_ids[~infrared][nearest] == person_ids[infrared]).mean())


def feature_planes(
    planes: Mapping[str, NDArray[np.float64]],
    shares: Mapping[str, float],
    person_ids: NDArray[np.int64],
    infrared: NDArray[np.bool_],
) -> Figure:
    """A panel for each of `planes`: visible as filled circles, infrared as hollow triangles, a line for each person.

    Args:
        planes: title -> (N, 2).
        shares: title -> what `nearest_share` found in the features themselves.
        person_ids: (N,).
        infrared: (N,).
    """
    figure = Figure(figsize=(WIDTH, 4.25), layout="constrained")
    axes = figure.subplots(1, len(planes), squeeze=False)[0]
    for axis, (title, places) in zip(axes, planes.items(), strict=True):
        _scatter(axis, places, person_ids, infrared)
        axis.set_title(f"{title}\nnearest visible image is right: {100 * shares[title]:.0f} %")
    marks = [
        Line2D([], [], linestyle="", marker="o", color=MUTED, label="visible"),
        Line2D([], [], linestyle="", marker="^", color=MUTED, markerfacecolor=PAPER, label="infrared"),
        Line2D([], [], color=MUTED, linewidth=1, label="between one person's two modalities"),
    ]
    figure.legend(handles=marks, loc="outside upper left", ncols=3)
    return figure


def _scatter(
    axis: Axes, places: NDArray[np.float64], person_ids: NDArray[np.int64], infrared: NDArray[np.bool_]
) -> None:
    for n, person in enumerate(np.unique(person_ids)):
        colour = COLOURS[n % len(COLOURS)]
        circles, triangles = (places[(person_ids == person) & (infrared == side)] for side in (False, True))
        if len(circles) and len(triangles):
            ends = np.stack([np.median(circles, axis=0), np.median(triangles, axis=0)])
            axis.plot(*ends.T, color=colour, linewidth=0.9, alpha=0.7)
            away = (ends[0] - ends[1]) / max(float(np.linalg.norm(ends[0] - ends[1])), 1e-9)
            axis.annotate(str(n + 1), (ends[0][0], ends[0][1]), (11 * away[0], 11 * away[1]), color=INK, fontsize=7,
                          textcoords="offset points", ha="center", va="center")  # fmt: skip
        axis.plot(*circles.T, "o", color=colour, markersize=3.4, markeredgewidth=0)
        axis.plot(*triangles.T, "^", color=colour, markersize=4, markerfacecolor=PAPER, markeredgewidth=0.9)
    axis.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), xticks=[], yticks=[], aspect="equal")
    axis.grid(visible=False)
    for spine in axis.spines.values():
        spine.set_visible(True)
