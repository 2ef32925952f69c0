from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from csdn.artifacts.digests import canonical_json
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.figures import charts, sheets
from csdn.figures.catalogue import TITLES, figure_entries
from csdn.figures.draw import DRAW, draw_figures, save, style, variant_styles
from csdn.study.files import shown_variant
from helpers.result_tree import UNTRAINED, Tree, make_params


def history(epochs: int = 4, **columns: float) -> pd.DataFrame:
    return pd.DataFrame({"epoch": range(epochs)} | {name: [value] * epochs for name, value in columns.items()})


def lines(figure) -> list:
    return [line for axis in figure.axes for line in axis.lines]


def test_every_figure_of_the_catalogue_is_drawn_in_both_formats(tree: Tree):
    names = [entry.name for entry in figure_entries(tree.params)]
    assert len(set(names)) == len(names)
    assert {path.name for path in (tree.results / "figures").iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("png", "svg")
    }
    assert all(entry.caption for entry in figure_entries(tree.params))
    for path in (tree.results / "figures").glob("*.png"):
        with Image.open(path) as image:
            assert image.width > 800


def test_svg_is_the_same_each_time(tmp_path: Path):
    for folder in ("a", "b"):
        with style():
            figure = charts.training_curves({"x": [history(identity=1.0)]}, charts.styles_of(["x"]))
            save(figure, tmp_path / folder / "curve")
    for kind in ("svg", "png"):
        first, second = (tmp_path / folder / f"curve.{kind}" for folder in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    assert "dc:date" not in (tmp_path / "a" / "curve.svg").read_text()


def test_plan_follows_the_settings(tmp_path: Path):
    params = make_params(tmp_path)
    kinds = [(entry.dataset, entry.kind) for entry in figure_entries(params)]
    assert kinds.count(("sysu_mm01", "ranks")) == 1
    assert kinds.count(("regdb", "ranks")) == 2
    untrained = make_params(
        tmp_path,
        datasets={"sysu_mm01": {"layout": "sysu_mm01", "variants": ["clip_init"]}},
        variants={"clip_init": UNTRAINED},
        tables={},
    )
    assert [entry.kind for entry in figure_entries(untrained)] == ["contact_sheet", "distances", "zero_shot"]


def test_csdn_or_the_last_trained_by_name_is_shown(tmp_path: Path):
    params = make_params(tmp_path)
    assert shown_variant(params, "sysu_mm01") == "csdn"
    variants = {"mine": {}, "clip_init": UNTRAINED}
    params = make_params(
        tmp_path, variants=variants, tables={}, datasets={"regdb": {"layout": "regdb", "splits": ["1"]}}
    )
    assert shown_variant(params, "regdb") == "mine"


def test_variants_look_the_same_everywhere(tmp_path: Path):
    styles = variant_styles(make_params(tmp_path))
    assert styles["clip_init"] == charts.UNTRAINED
    trained = [mark for name, mark in styles.items() if name != "clip_init"]
    assert len({mark.colour for mark in trained}) == len({mark.marker for mark in trained}) == len(trained)


@pytest.mark.parametrize(
    "missing",
    [
        "results/tables/components.json",
        "results/tables/components_differences.json",
        "results/sysu_mm01/default/runs/csdn/seed_1/history.csv",
        "results/sysu_mm01/default/prompts/shared/seed_0/history.csv",
        "results/regdb/1/runs/csdn/seed_0/embeddings.safetensors",
        "results/regdb/1/runs/csdn/seed_0/explanations.safetensors",
        "results/clip/mini/zero_shot.csv",
        "data/index/regdb.parquet",
        "data/cache/sysu_mm01_64x32.npy",
        "data/raw/sysu_mm01/annotations.parquet",
    ],
)
def test_missing_input_is_named_and_nothing_drawn(tree: Tree, tmp_path: Path, missing: str):
    root = tree.results.parent
    for folder in ("results", "data"):
        shutil.copytree(root / folder, tmp_path / folder, copy_function=_link)
    (tmp_path / missing).unlink()
    concerned = "regdb" if "regdb" in missing else "sysu_mm01"
    params = make_params(tmp_path, datasets={concerned: tree.params.datasets[concerned].model_dump()})
    with pytest.raises(UserError, match=Path(missing).name):
        draw_figures(params, tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def _link(source: str, target: str) -> None:
    Path(target).symlink_to(source)


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
    figure = charts.stage_one_curves({"Prompts": {"shared": [run]}, "Fusion": {"specific-attention": [run]}})
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
    figure = charts.primary_chart([row, few, few | {"map_difference": None}])
    assert faces(figure) == [False, True]
    assert [axis.get_title(loc="left") or axis.get_title() for axis in figure.axes] == ["A", "B"]
    bars = [line.get_xdata() for line in figure.axes[1].lines[1:2]]
    assert len(bars[0]) == 0


def test_rank_lists_mark_right_and_wrong_without_colour_too():
    image = np.zeros((64, 32, 3), dtype=np.uint8)
    one = sheets.RankList(image, 3, 7, [image, image], [(1, 8), (2, 7)], 2)
    (axes,) = sheets.rank_lists([], [one]).axes
    words = [text.get_text() for text in axes.texts]
    assert "\N{CHECK MARK}" in words
    assert "\N{MULTIPLICATION X}" in words
    assert "first match: 2" in words
    assert len({patch.get_linestyle() for patch in axes.patches}) == 2
    assert len(axes.images) == 3


def test_contact_sheet_names_cameras_where_columns_agree():
    image = np.zeros((64, 32, 3), dtype=np.uint8)
    people = [
        sheets.Portraits("Identity 1", [(image, 1), (image, 2)], [(image, 3)], ["Visible: a man <b>"]),
        sheets.Portraits("Identity 2", [(image, 1), (image, 4)], [(image, 3)], []),
    ]
    (axes,) = sheets.contact_sheet(people).axes
    words = [text.get_text() for text in axes.texts]
    assert [word for word in words if word.startswith("cam")] == ["cam 1", "cam 3"]
    assert len(axes.images) == 6


def test_every_kind_of_figure_has_the_same_bytes_again_whatever_the_order_of_the_settings(tree: Tree, tmp_path: Path):
    params = Params.model_validate_json(canonical_json(tree.params.model_dump(mode="json")))  # as a job gets them
    kinds = {entry.kind: entry for entry in figure_entries(params)}
    assert set(TITLES) - set(kinds) <= {"sweep"}, "the results of the tests have no sweep"
    for entry in kinds.values():
        with style():
            save(DRAW[entry.kind](params, entry), tmp_path / entry.name)
        again, first = (folder / f"{entry.name}.svg" for folder in (tmp_path, tree.results / "figures"))
        assert again.read_bytes() == first.read_bytes(), entry.name
