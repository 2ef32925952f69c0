from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from csdn.artifacts.digests import canonical_json
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.figures import charts
from csdn.figures.catalogue import TITLES, figure_entries
from csdn.figures.draw import DRAW, draw_figures, save, style, variant_styles
from helpers.figure_data import history
from helpers.result_tree import Tree, make_params


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


def test_every_kind_of_figure_has_the_same_bytes_again_whatever_the_order_of_the_settings(tree: Tree, tmp_path: Path):
    params = Params.model_validate_json(canonical_json(tree.params.model_dump(mode="json")))  # as a job gets them
    kinds = {entry.kind: entry for entry in figure_entries(params)}
    assert set(TITLES) - set(kinds) <= {"sweep"}, "the results of the tests have no sweep"
    for entry in kinds.values():
        with style():
            save(DRAW[entry.kind](params, entry), tmp_path / entry.name)
        again, first = (folder / f"{entry.name}.svg" for folder in (tmp_path, tree.results / "figures"))
        assert again.read_bytes() == first.read_bytes(), entry.name
