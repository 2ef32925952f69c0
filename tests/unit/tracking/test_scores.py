"""Scores and the report's files go to their runs, once."""

import json

from csdn.config.tracking import Tracking
from csdn.tracking.scores import track_scores
from helpers.tracked_runs import client, log_once, runs


def scores(variant, protocol, rank_1):
    return {
        "dataset": "sysu_mm01",
        "split": "default",
        "variant": variant,
        "seed": 0,
        "protocol": protocol,
        "metrics": {"rank_1": rank_1, "map": 0.5},
    }


def test_scores_go_to_their_runs_once(store, tmp_path):
    key = "sysu_mm01/default/runs/csdn/seed_0"
    trained = log_once(store, replace=True, key=key)
    files = []
    for variant in ("csdn", "baseline"):
        for protocol in ("sysu_all_single", "sysu_indoor_single"):
            path = tmp_path / variant / f"{protocol}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(scores(variant, protocol, 0.25)))
            files.append(path)
    for _ in range(2):
        ids = track_scores(store, files)
        assert sorted(ids) == ["sysu_mm01/default/runs/baseline/seed_0", key]
        assert ids[key] == trained
        assert len(runs(store, "sysu_mm01")) == 2
    run = client(store).get_run(trained)
    assert run.data.metrics["sysu_all_single/rank_1"] == 0.25
    assert run.data.metrics["map"] == 1.0
    assert track_scores(Tracking(backend="none"), files, [tmp_path]) == {}


def test_tables_and_figures_are_kept_once_however_often_they_change(store, tmp_path):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "components.csv").write_text("a\n1\n")
    (tmp_path / "report.html").write_text("<p>")
    for _ in range(2):
        track_scores(store, [], [tmp_path / "tables", tmp_path / "report.html"])
    (run,) = runs(store, "summary")
    assert [entry.path for entry in client(store).list_artifacts(run.info.run_id)] == ["report.html", "tables"]
    assert client(store).list_artifacts(run.info.run_id, "tables")[0].path == "tables/components.csv"
