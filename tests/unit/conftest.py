from __future__ import annotations

from pathlib import Path

import pytest

from csdn.figures.draw import draw_figures
from helpers.fake_datasets import write_fake_regdb, write_fake_sysu
from helpers.result_tree import PRIMARY, Tree, compare, make_params, write_results


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    folder = tmp_path_factory.mktemp("tree")
    params = make_params(folder, primary=PRIMARY)
    scores = write_results(params)
    results = Path(params.runtime.results)
    compare(params, scores, results / "tables")
    draw_figures(params, results / "figures")
    return Tree(params, results, scores)


@pytest.fixture(scope="session")
def fake_sysu(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_sysu(tmp_path_factory.mktemp("fixtures") / "fake_sysu")


@pytest.fixture(scope="session")
def fake_regdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fake_regdb(tmp_path_factory.mktemp("fixtures") / "fake_regdb")
