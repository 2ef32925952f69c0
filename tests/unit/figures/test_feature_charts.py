from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from csdn.figures import charts, feature_charts
from csdn.figures.distances import BINS, PAIRS, Histograms
from csdn.figures.draw import save


def titles(figure) -> list[str]:
    return [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes]


def test_distances_have_a_row_a_variant_with_its_overlap():
    near, far = np.eye(BINS)[10], np.eye(BINS)[30]
    of = {pair: Histograms(near, (near + far) / 2) for pair in PAIRS}
    figure = feature_charts.distance_chart({"a": of, "b": of})
    assert len(figure.axes) == 6
    assert {text.get_text() for axis in figure.axes for text in axis.texts} == {"overlap 0.50"}
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == ["a", "b"]
    low, high = figure.axes[0].get_xlim()
    assert low <= 0.25 < 0.75 <= high <= 1


def test_descriptions_count_the_images_above_the_line():
    half = feature_charts.Likeness(np.array([0.5, 0.2, 0.9, 0.1]), np.array([0.1, 0.3, 0.2, 0.4]))
    figure = feature_charts.description_chart({"Frozen CLIP": {"visible": half, "infrared": half}})
    assert [title.endswith("50 % above") for title in titles(figure)] == [True, True]
    assert figure.axes[0].get_xlim() == figure.axes[0].get_ylim()


def test_a_sweep_is_in_the_order_of_its_values(tmp_path):
    rows = [
        {"protocol": "p", "variant": v, "map_mean": m, "map_low": m - 0.1, "map_high": m + 0.1, "runs": [{"map": m}]}
        for v, m in (("high", 0.5), ("low", 0.3), ("csdn", 0.4), ("other", 0.9))
    ]
    values = {"high": 1.0, "low": 0.01, "csdn": 0.1}
    figure = feature_charts.sweep_chart(rows, values, "weight", charts.MarkStyle("#000000", "o", "-"), "csdn")
    (axis,) = figure.axes
    assert axis.lines[0].get_ydata() == pytest.approx([30, 40, 50])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0.01", "0.1", "1"]
    filled = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "o"]
    assert [face == "#000000" for face in filled] == [False, True, False]
    again = feature_charts.sweep_chart(rows, values, "weight", charts.MarkStyle("#000000", "o", "-"), "csdn")
    for folder, drawn in (("a", figure), ("b", again)):
        save(drawn, tmp_path / folder / "sweep")
    assert (tmp_path / "a" / "sweep.svg").read_bytes() == (tmp_path / "b" / "sweep.svg").read_bytes()


def test_attributes_are_compared_with_chance():
    table = pd.DataFrame(
        [["hat", "visible", 0.7, 0.25], ["hat", "infrared", 0.4, 0.25], ["upper_color", "visible", 0.3, 0.1]],
        columns=["attribute", "modality", "balanced_accuracy", "chance"],
    )
    (axis,) = feature_charts.attribute_chart(table).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == ["hat", "upper color"]
    ticks = [float(np.ravel(line.get_xdata())[0]) for line in axis.lines if line.get_marker() == "|"]
    assert ticks == [25, 25, 10]
