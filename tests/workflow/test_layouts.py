"""Every embedded layout from its images to the report, with the small CLIP and nothing else changed."""

import json

import pandas as pd
import pytest

from csdn.config.base import PROTOCOLS

from .conftest import Workflow

LAYERS = ("--configfile", "params.yaml", "config/smoke.yaml", "config/layouts.yaml")
SPLITS = {"sysu_mm01": "default", "regdb": "1", "llcm": "default"}


def test_the_layouts_join_the_smoke_run_by_one_file(workflow):
    plan = workflow.plan("all", *LAYERS)
    assert (plan["make_dataset"], plan["index_images"], plan["train_encoder"]) == (3, 3, 6)
    assert plan["score_retrieval"] == 2 * (4 + 2 + 2)


@pytest.mark.slow
def test_every_layout_runs_from_images_to_the_report(tmp_path, server):
    workflow = Workflow(tmp_path / "clone", server, fake=False)
    workflow.snakemake("all", *LAYERS)
    results = workflow.folder / "results-smoke"
    page = (results / "report.html").read_text()
    table = pd.read_csv(results / "tables/components.csv")
    costs = pd.read_csv(results / "tables/costs.csv")
    for dataset, split in SPLITS.items():
        assert f'id="{dataset}"' in page
        assert set(table.loc[table["dataset"] == dataset, "protocol"]) == set(PROTOCOLS[dataset])
        assert (costs.loc[costs["dataset"] == dataset, "training_seconds"] > 0).all()
        for variant in ("baseline", "csdn"):
            run = results / dataset / split / "runs" / variant / "seed_0"
            assert pd.read_csv(run / "history.csv")["loss"].notna().all()
            for protocol in PROTOCOLS[dataset]:
                scores = json.loads((run / f"scores/{protocol}.json").read_text())
                assert scores["dataset"] == dataset
                assert scores["queries"] == scores["valid_queries"] > 0
                assert all(0 < value <= 1 for value in scores["metrics"].values())
    assert workflow.plan("all", *LAYERS) == {}
