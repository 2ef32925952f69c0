from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from csdn.reporting.curves import write_curves
from csdn.results.report_inputs import encoder_histories, read_table
from helpers.result_tree import Tree


@pytest.fixture
def frames(tree: Tree, tmp_path: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_csv(path) for path in write_curves(tree.params, tmp_path)}


def test_every_variant_has_its_curve_of_matches(frames: dict[str, pd.DataFrame], tree: Tree):
    matches = frames["matches"]
    assert list(matches.columns) == ["panel", "variant", "rank", "matched"]
    for row in read_table(tree.params, "components"):
        own = matches[
            (matches["panel"] == f"{row['dataset']} {row['protocol']}") & (matches["variant"] == row["variant"])
        ]
        assert own["matched"].tolist() == pytest.approx(row["cmc"])
        assert own["rank"].tolist() == list(range(1, 21))


def test_training_is_the_mean_over_runs_where_it_is_known(frames: dict[str, pd.DataFrame], tree: Tree):
    own = frames["training"].query("variant == 'csdn'").set_index(["panel", "epoch"])["value"]
    runs = encoder_histories(tree.params, "sysu_mm01")["csdn"]
    assert own["sysu_mm01 triplet", 3] == pytest.approx(np.mean([run["triplet"][2] for run in runs]), abs=1e-6)
    assert own["sysu_mm01 validation_map"].index.tolist() == [2, 4, 6, 8, 10, 12]
    assert "regdb semantic_visible" in own.index.get_level_values(0)
    assert frames["training"]["value"].notna().all()
