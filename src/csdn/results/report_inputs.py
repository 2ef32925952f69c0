"""Reads what the figures and the page are made from: tables, histories, images, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from csdn.artifacts.files import read_json, read_parquet, read_tensors, readable
from csdn.artifacts.records import RECORD
from csdn.config.base import EMBEDDED
from csdn.config.params import Params
from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.data.image_cache import open_cache, read_index
from csdn.errors import UserError
from csdn.evaluation.scoring import load_permutations
from csdn.statistics.comparison import Row
from csdn.study.files import first_run, permutations_file, rendered_files, shown_split, shown_variant, stage_one_keys
from csdn.study.paths import cache_path, fill, index_path, paths_of

ZERO_SHOT = ("attribute", "modality", "classes", "images", "balanced_accuracy", "low", "high", "chance")
PLANE = ("rows", "features_before", "features_after")
MAPS = ("pair_rows", "attention_before", "attention_after", "grad_cam")
DESCRIBED = ("described_rows", "own_before", "hardest_before", "own_after", "hardest_after")

Runs = dict[str, list[pd.DataFrame]]  # histories of each variant or key


def read_table(params: Params, name: str) -> list[Row]:
    """Rows of a table that compare-variants wrote.

    Raises:
        UserError: it is missing or not such a table.
    """
    path = Path(paths_of(params).table.format(table=name, ending="json"))
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
        raise UserError(f"{path}: has no rows; write it again with compare-variants")
    return content["rows"]


def read_csv(path: Path, required: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file with at least the columns `required`.

    Raises:
        UserError: it is missing, empty or lacks one of them.
    """
    with readable(path):
        try:
            frame = pd.read_csv(path)
        except pd.errors.EmptyDataError as error:
            raise UserError(f"{path}: is empty; run the step that writes it again") from error
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise UserError(f"{path}: no column {missing[0]!r}; run the step that writes it again")
    return frame


def encoder_histories(params: Params, dataset: str) -> Runs:
    """history.csv of every run of every trained variant."""
    pattern = paths_of(params).history
    return {
        variant: _histories(params, dataset, fill(pattern, variant=variant), ("epoch",))
        for variant in params.trained_variants_of(dataset)
    }


def prompt_histories(params: Params, dataset: str) -> Runs:
    """history.csv of the prompts of every variant that uses descriptions, whether any were learned or not."""
    pattern = paths_of(params).prompts_history
    return {
        variant: _histories(params, dataset, fill(pattern, prompt_key=prompt_key(params, variant)), ("epoch",))
        for variant in params.variants_of(dataset)
        if semantics_key(params, variant) is not None
    }


def stage_one_histories(params: Params, dataset: str) -> dict[str, Runs]:
    """history.csv of every run of the prompts and of the trained fusions that the dataset's variants use."""
    columns = ("epoch", "loss", "accuracy_visible", "accuracy_infrared")
    keys, paths = stage_one_keys(params, dataset), paths_of(params)
    prompts = {key: fill(paths.prompts_history, prompt_key=key) for key in keys[0]}
    fusions = {key: fill(paths.semantics_history, semantics_key=key) for key in keys[1]}
    return {
        stage: {key: _histories(params, dataset, pattern, columns) for key, pattern in patterns.items()}
        for stage, patterns in {"Prompts": prompts, "Fusion": fusions}.items()
        if patterns or stage == "Prompts"
    }


def read_images(params: Params, dataset: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Index and pixel cache of the images that are shown; embedded ones bring their captions as column `caption`."""
    index, split = read_image_index(params, dataset), shown_split(params, dataset)
    cache = open_cache(Path(cache_path(params, dataset, split)), len(index), index["path"])
    if params.datasets[dataset].root == EMBEDDED:
        path = Path(rendered_files(params, dataset, split)[0])
        annotations = read_parquet(path)
        if not {"path", "caption"} <= set(annotations.columns):
            raise UserError(f"{path}: no columns path and caption; render the dataset again with make-dataset")
        index = index.assign(caption=index["path"].map(annotations.set_index("path")["caption"]))
    return index, cache


def read_image_index(params: Params, dataset: str) -> pd.DataFrame:
    """Index of the images that are shown of a dataset (with draws, the first draw's), without their pixels."""
    return read_index(Path(index_path(params, dataset, shown_split(params, dataset))))


def read_embeddings(params: Params, dataset: str, variant: str) -> dict[str, np.ndarray]:
    """`features` (N, dim) and index `rows` (N,) of a variant's first run."""
    path = paths_of(params).embeddings.format(**first_run(params, dataset, variant))
    return _tensors(Path(path), ("features", "rows"))


def read_explanations(params: Params, dataset: str, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What explain-model wrote for the shown variant's first run: at least PLANE, MAPS or DESCRIBED."""
    run = first_run(params, dataset, str(shown_variant(params, dataset)))
    return _tensors(Path(paths_of(params).explanations.format(**run)), required)


def read_zero_shot(path: str) -> pd.DataFrame:
    """The small CLIP's table of attributes (`study.files.zero_shot_file`)."""
    return read_csv(Path(path), ZERO_SHOT)


def read_permutations(params: Params, dataset: str) -> np.ndarray | None:
    """Array of `exp/rand_perm_cam.mat` where the dataset is scored with the official gallery, else None."""
    path = permutations_file(params, dataset, shown_split(params, dataset))
    return load_permutations(Path(path)) if path else None


def read_provenance(params: Params) -> dict[str, dict[str, Any]]:
    """Every provenance record below the results folder by its path there.

    Raises:
        UserError: there is none.
    """
    folder = Path(params.runtime.results)
    records = {path.relative_to(folder).as_posix(): read_json(path) for path in sorted(folder.rglob(f"*{RECORD}"))}
    if not records:
        raise UserError(f"{folder}: no *{RECORD}; results were not made by csdn, run the pipeline again")
    return records


def _tensors(path: Path, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    tensors = read_tensors(path)
    missing = [name for name in required if name not in tensors]
    if missing:
        raise UserError(f"{path}: no tensor {missing[0]!r}; run the step that writes it again")
    return tensors


def _histories(params: Params, dataset: str, pattern: str, columns: tuple[str, ...]) -> list[pd.DataFrame]:
    return [
        read_csv(Path(pattern.format(dataset=dataset, split=split, seed=seed)), columns)
        for split in params.datasets[dataset].splits
        for seed in params.seeds_of(dataset)
    ]
