"""Charts hold the numbers that they are given, in percent, with marks that do without colour."""

from __future__ import annotations

import numpy as np
import pytest

from csdn.figures import charts
from csdn.figures.draw import style
from helpers.figure_data import history


def lines(figure) -> list:
    return [line for axis in figure.axes for line in axis.lines]


def test_training_curves_show_each_run_and_the_mean():
    runs = {"a": [history(identity=2.0, loss=5.0), history(identity=4.0, loss=5.0)], "b": [history(identity=1.0)]}
    figure = charts.training_curves(runs, charts.styles_of(["a", "b"]))
    assert len(figure.axes) == 1  # the sum of the terms is not drawn
    assert [line.get_ydata()[0] for line in lines(figure)] == [2.0, 4.0, 3.0, 1.0]
    assert lines(figure)[0].get_xdata().tolist() == [1, 2, 3, 4]


def test_validation_comes_first_in_percent_and_only_where_validated():
    run = history(identity=1.0).assign(validation_map=[np.nan, 0.3, np.nan, 0.4])
    with style():
        figure = charts.training_curves({"a": [run], "b": [history(identity=1.0)]}, charts.styles_of(["a", "b"]))
    first = figure.axes[0]
    assert first.get_title(loc="left") == "Validation mAP, %"
    assert [line.get_ydata().tolist() for line in first.lines] == [[30.0, 40.0]]
    assert first.lines[0].get_xdata().tolist() == [2, 4]


def test_stage_one_has_a_row_of_panels_for_each_step():
    run = history(loss=3.0, accuracy_visible=0.5, accuracy_infrared=0.25)
    figure = charts.stage_one_curves({"Prompts": {"shared": [run]}, "Fusion": {"specific-reference": [run]}})
    assert len(figure.axes) == 6
    assert lines(figure)[2].get_ydata()[0] == 25.0


def test_component_chart_marks_mean_runs_and_interval():
    row = {"protocol": "sysu_all_single", "variant": "a", "map_mean": 0.5, "map_low": 0.4, "map_high": 0.6}
    row |= {"runs": [{"map": 0.45}, {"map": 0.55}]}
    figure = charts.component_chart([row], ["a", "absent"], charts.styles_of(["a"]))
    interval, runs, mean = (line.get_xdata() for line in lines(figure))
    assert (list(interval), list(runs), list(np.ravel(mean))) == ([40, 60], pytest.approx([45, 55]), [50])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["a"]


def faces(figure) -> list[bool]:
    marks = [line for line in lines(figure) if line.get_marker() == "o"]
    return [mark.get_markerfacecolor() == charts.PAPER for mark in marks]


def test_a_difference_whose_interval_contains_zero_is_hollow():
    row = {"protocol": "p", "a": "x", "b": "y", "map_difference": 0.01, "map_low": 0.005, "map_high": 0.02}
    row |= {"map_by_run": [0.01]}
    assert faces(charts.difference_chart([row, row | {"a": "z", "map_low": -0.01}])) == [False, True]


def test_only_a_supported_contrast_is_filled_and_too_few_draws_have_no_bar():
    row = {"setting": "A", "a": "x", "b": "y", "map_difference": 0.02, "map_low": 0.01, "map_high": 0.03}
    row |= {"by_draw": {"1": 0.01, "2": 0.03}, "verdict": "supported"}
    few = row | {"setting": "B", "map_low": None, "map_high": None, "verdict": "too few draws"}
    figure = charts.primary_chart([row, few])
    assert faces(figure) == [False, True]
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["A", "B"]
    bars = [line.get_xdata() for line in figure.axes[1].lines[1:2]]
    assert len(bars[0]) == 0


def test_a_contrast_that_was_not_run_has_a_row_and_no_mark():
    row = {"setting": "A", "a": "x", "b": "y", "map_difference": 0.02, "map_low": 0.01, "map_high": 0.03}
    row |= {"by_draw": {"1": 0.01, "2": 0.03}, "verdict": "supported"}
    absent = {"setting": "A", "a": "z", "b": "y", "verdict": "not run", "by_draw": {}}
    absent |= dict.fromkeys(("map_difference", "map_low", "map_high"))
    figure = charts.primary_chart([absent, row, absent | {"setting": "B"}])
    assert faces(figure) == [False]
    assert [text.get_text()[:1] for text in figure.axes[0].get_yticklabels()] == ["z", "x"]
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["A", "B"]
    nothing = charts.primary_chart([absent])
    assert faces(nothing) == [] and nothing.axes[0].get_xlabel()


def test_no_two_of_many_variants_look_the_same():
    styles = charts.styles_of([f"v{n}" for n in range(20)])
    assert len({(style.colour, str(style.dash)) for style in styles.values()}) == 20


def test_match_curves_are_in_percent_and_the_intervals_of_a_rank_lie_side_by_side():
    row = {"protocol": "sysu_all_single", "cmc": [0.5, 0.75, 1.0], "cmc_intervals": {"1": (0.4, 0.6)}}
    rows = [row | {"variant": name} for name in ("a", "b")]
    figure = charts.match_curves(rows, charts.styles_of(["a", "b"]))
    curve, interval, _, other = lines(figure)
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([1, 2, 3], [50, 75, 100])
    assert list(interval.get_ydata()) == [40, 60]
    left, right = interval.get_xdata(), other.get_xdata()
    assert left[0] == left[1] < 1 < right[0] == right[1]


def test_panels_that_are_compared_by_eye_have_one_scale():
    row = {"variant": "a", "map_mean": 0.5, "map_low": 0.4, "map_high": 0.6, "runs": [{"map": 0.5}]}
    rows = [row | {"protocol": "p"}, row | {"protocol": "q", "map_low": 0.1}]
    first, second = charts.component_chart(rows, ["a"], charts.styles_of(["a"])).axes
    assert first.get_xlim() == second.get_xlim()
    assert first.get_xlim()[0] < 10


def test_what_is_no_loss_term_is_not_drawn_as_one():
    other = ("loss", "learning_rate", "seconds", "validation_map", "test_map", "distance_pooled")
    run = history(identity=1.0, triplet=1.0, **dict.fromkeys(other, 1.0))
    assert charts.loss_terms(run) == ["identity", "triplet"]
