"""Scores and the report's files in MLflow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from csdn.artifacts.files import read_json
from csdn.config.tracking import Tracking
from csdn.study.paths import RUN_KEY
from csdn.tracking.runs import MlflowTracker, open_tracker


def track_scores(
    tracking: Tracking, score_files: Iterable[Path | str], artifacts: Iterable[Path] = ()
) -> dict[str, str]:
    """Log the metrics of score files, as `<protocol>/<metric>`, to the runs of their variants.

    Args:
        tracking: backend and store.
        score_files: JSON files of score-retrieval.
        artifacts: files and folders (tables, figures) to store in a separate run, `summary/latest`.

    Returns:
        The run id of each run key; empty if tracking is off.

    Raises:
        UserError: a file cannot be read, or the store cannot be used.
    """
    by_run: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for path in sorted(map(Path, score_files)):
        scores = read_json(path)
        key = RUN_KEY.format(**scores)
        label = "-selected_on_test" if scores.get("selected_on_test") else ""
        by_run.setdefault(key, []).append((path.stem + label, scores))
    ids: dict[str, str] = {}
    for key, items in by_run.items():
        with open_tracker(tracking, key, replace=False) as run:
            for protocol, scores in items:
                run.metrics({f"{protocol}/{metric}": value for metric, value in scores["metrics"].items()})
            if isinstance(run, MlflowTracker):
                ids[key] = run.run_id
    artifacts = list(artifacts)
    if artifacts:
        with open_tracker(tracking, "summary/latest", replace=True) as run:
            for path in artifacts:
                run.artifact(path, path.name if path.is_dir() else None)
    return ids
