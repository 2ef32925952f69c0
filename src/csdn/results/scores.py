"""Read score files into tidy tables: one row a run, and one row an identity of a run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from csdn.artifacts.files import read_json, read_parquet
from csdn.artifacts.records import RECORD
from csdn.config.base import score_name
from csdn.errors import UserError
from csdn.statistics.scores import METRICS, RANKS, Scores, cumulative_matches, per_identity
from csdn.study.labels import SELECTED_ON_TEST
from csdn.study.paths import Paths, as_glob

RUN = ["dataset", "protocol", "variant", "split", "seed"]
_REQUIRED = ("dataset", "variant", "seed", "split", "protocol", "gallery", "trials", "metrics", "reranked")
_COLUMNS = ("trial", "person_id", "average_precision", "first_match_rank")


def find_score_files(results: Path) -> list[Path]:
    """All score JSON files of a results folder, sorted."""
    files = sorted(results.glob(as_glob(Paths.scores.removeprefix("{results}/"))))
    return [file for file in files if not file.name.endswith(RECORD)]


def read_scores(score_files: Iterable[Path | str]) -> Scores:
    """Read score JSON files and the per-query Parquet file beside each.

    Raises:
        UserError: no file is given, a file is missing or malformed, two describe the same run, or a JSON file and its
            Parquet file disagree.
    """
    runs: list[dict[str, Any]] = []
    identities: list[pd.DataFrame] = []
    seen: dict[tuple[Any, ...], Path] = {}
    for path in sorted(map(Path, score_files)):
        run = read_run(path)
        key = tuple(run[name] for name in RUN)
        if key in seen:
            raise UserError(f"{path}: same run as {seen[key]}; give each run's scores once")
        seen[key] = path
        queries = _read_queries(path.with_suffix(".parquet"))
        _check_agreement(path, run, queries)
        run["cmc"] = cumulative_matches(queries["first_match_rank"].to_numpy(), RANKS)
        runs.append(run)
        identities.append(per_identity(queries).assign(**{name: run[name] for name in RUN}))
    if not runs:
        raise UserError("scores: no score file given; run score-retrieval first and pass its JSON files")
    return Scores(pd.DataFrame(runs), pd.concat(identities, ignore_index=True))


def read_run(path: Path) -> dict[str, Any]:
    """RUN columns, trials, valid_queries and METRICS of a score file.

    Raises:
        UserError: it is missing or malformed.
    """
    score = read_json(path)
    missing = [key for key in _REQUIRED if not isinstance(score, dict) or key not in score]
    if missing:
        raise UserError(f"{path}: no key {missing[0]!r}; not a score file of score-retrieval, score again")
    run = {key: score[key] for key in ("dataset", "variant", "split", "trials")}
    run["seed"] = int(score["seed"])
    run["split"] = str(run["split"])
    run["protocol"] = score_name(score["protocol"].split("-")[0], score["gallery"], bool(score["reranked"]))
    if score.get("selected_on_test"):
        run["protocol"] += SELECTED_ON_TEST  # never under one name with what was not chosen on the test set
    run["valid_queries"] = score.get("valid_queries")
    for metric in METRICS:
        value = score["metrics"].get(metric)
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UserError(f"{path}: metrics.{metric} is {value!r}, not a fraction in [0, 1]; score again")
        run[metric] = float(value)
    return run


def _read_queries(path: Path) -> pd.DataFrame:
    queries = read_parquet(path)
    missing = [name for name in _COLUMNS if name not in queries.columns]
    if missing:
        raise UserError(f"{path}: no column {missing[0]!r}; not the per-query file of score-retrieval, score again")
    queries = queries.dropna(subset=["average_precision"])
    if queries.empty:
        raise UserError(f"{path}: no valid query; the gallery holds none of the query identities")
    return queries


def _check_agreement(path: Path, run: dict[str, Any], queries: pd.DataFrame) -> None:
    """A JSON and a Parquet file of two different runs would give intervals that do not belong to the means."""
    from_queries = queries.groupby("trial")["average_precision"].mean().mean()
    if abs(from_queries - run["map"]) > 1e-4:
        raise UserError(
            f"{path}: mAP {run['map']:.4f}, but its Parquet file gives {from_queries:.4f}; score this run again"
        )
