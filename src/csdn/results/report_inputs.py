"""Reads what the figures and the page are made from: tables, histories, images, embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from csdn.artifacts.files import read_json, read_parquet, read_tensors, readable
from csdn.config.base import EMBEDDED
from csdn.config.params import Params
from csdn.config.shared_keys import UNTRAINED_FUSIONS, UNTRAINED_PROMPTS, prompt_key, semantics_key
from csdn.data.image_cache import open_cache, read_index
from csdn.errors import UserError
from csdn.evaluation.scoring import load_permutations
from csdn.statistics.comparison import Row

ZERO_SHOT = ("attribute", "modality", "classes", "images", "balanced_accuracy", "chance")
PLANE = ("rows", "features_before", "features_after")
MAPS = ("pair_rows", "attention_before", "attention_after", "grad_cam")
DESCRIBED = ("described_rows", "own_before", "hardest_before", "own_after", "hardest_after")

Runs = dict[str, list[pd.DataFrame]]  # histories of each variant or key


def results(params: Params) -> Path:
    """The results folder."""
    return Path(params.runtime.results)


def read_table(params: Params, name: str) -> list[Row]:
    """Rows of a table that compare-variants wrote.

    Raises:
        UserError: it is missing or not such a table.
    """
    path = results(params) / "tables" / f"{name}.json"
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


def in_table_order(params: Params, variants: list[str]) -> list[str]:
    """Variants as the tables name them, then those that no table names.

    The order does not depend on that of keys in params.yaml, which a job's slice has lost.
    """
    named = [name for _, table in sorted(params.tables.items()) for name in table.variants]
    return [name for name in dict.fromkeys([*named, *sorted(variants)]) if name in variants]


def encoder_histories(params: Params, dataset: str) -> Runs:
    """history.csv of every run of every trained variant."""
    return {
        variant: _histories(params, dataset, f"runs/{variant}", ("epoch",))
        for variant in params.trained_variants_of(dataset)
    }


def stage_one_histories(params: Params, dataset: str) -> dict[str, Runs]:
    """history.csv of every run of the prompts and of the trained fusions that the dataset's variants use."""
    columns = ("epoch", "loss", "accuracy_visible", "accuracy_infrared")
    prompts, fusions = stage_one_keys(params, dataset)
    out = {"Prompts": {key: _histories(params, dataset, f"prompts/{key}", columns) for key in prompts}}
    if fusions:
        out["Fusion"] = {key: _histories(params, dataset, f"semantics/{key}", columns) for key in fusions}
    return out


def stage_one_keys(params: Params, dataset: str) -> tuple[list[str], list[str]]:
    """Keys of the learned prompts and of the trained fusions that the dataset's variants use."""
    texts = [name for name in params.variants_of(dataset) if semantics_key(params, name) is not None]
    fused = [name for name in texts if params.variant(name).fusion.kind not in UNTRAINED_FUSIONS]
    learned = [name for name in texts if params.variant(name).prompts.kind not in UNTRAINED_PROMPTS]
    prompts = dict.fromkeys(prompt_key(params, name) for name in learned)
    return list(prompts), list(dict.fromkeys(str(semantics_key(params, name)) for name in fused))


def read_images(params: Params, dataset: str) -> tuple[pd.DataFrame, np.ndarray]:
    """Index and memory-mapped pixel cache of a dataset; embedded images bring their captions as column `caption`."""
    data, settings = Path(params.runtime.data), params.datasets[dataset]
    height, width = settings.image_size
    index = read_image_index(params, dataset)
    cache = open_cache(data / "cache" / f"{dataset}_{height}x{width}.npy", len(index), index["path"])
    if settings.root == EMBEDDED:
        path = data / "raw" / dataset / "annotations.parquet"
        annotations = read_parquet(path)
        if not {"path", "caption"} <= set(annotations.columns):
            raise UserError(f"{path}: no columns path and caption; render the dataset again with make-dataset")
        index = index.assign(caption=index["path"].map(annotations.set_index("path")["caption"]))
    return index, cache


def read_image_index(params: Params, dataset: str) -> pd.DataFrame:
    """Index of a dataset, without its pixels."""
    return read_index(Path(params.runtime.data) / "index" / f"{dataset}.parquet")


def read_embeddings(params: Params, dataset: str, variant: str) -> dict[str, np.ndarray]:
    """`features` (N, dim) and index `rows` (N,) of a variant's first run."""
    return _tensors(run_folder(params, dataset, variant) / "embeddings.safetensors", ("features", "rows"))


def read_explanations(params: Params, dataset: str, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    """What explain-model wrote for the shown variant's first run: at least PLANE, MAPS or DESCRIBED."""
    path = run_folder(params, dataset, str(params.shown_variant(dataset))) / "explanations.safetensors"
    return _tensors(path, required)


def read_zero_shot(params: Params) -> pd.DataFrame:
    """The small CLIP's table of attributes."""
    return read_csv(results(params) / "clip" / "mini" / "zero_shot.csv", ZERO_SHOT)


def read_permutations(params: Params, dataset: str) -> np.ndarray | None:
    """Array of `exp/rand_perm_cam.mat` where the dataset is scored with the official gallery, else None."""
    settings = params.datasets[dataset]
    if settings.gallery != "official":
        return None
    root = Path(params.runtime.data) / "raw" / dataset if settings.root == EMBEDDED else Path(settings.root)
    return load_permutations(root / "exp" / "rand_perm_cam.mat")


def run_folder(params: Params, dataset: str, variant: str) -> Path:
    """Folder of a variant's first run."""
    split, seed = params.datasets[dataset].splits[0], params.seeds_of(dataset)[0]
    return results(params) / dataset / split / "runs" / variant / f"seed_{seed}"


def read_provenance(params: Params) -> dict[str, dict[str, Any]]:
    """Every provenance record below the results folder by its path there.

    Raises:
        UserError: there is none.
    """
    folder = results(params)
    records = {
        path.relative_to(folder).as_posix(): read_json(path) for path in sorted(folder.rglob("*.provenance.json"))
    }
    if not records:
        raise UserError(f"{folder}: no *.provenance.json; results were not made by csdn, run the pipeline again")
    return records


def _tensors(path: Path, required: tuple[str, ...]) -> dict[str, np.ndarray]:
    tensors = read_tensors(path)
    missing = [name for name in required if name not in tensors]
    if missing:
        raise UserError(f"{path}: no tensor {missing[0]!r}; run the step that writes it again")
    return tensors


def _histories(params: Params, dataset: str, folder: str, columns: tuple[str, ...]) -> list[pd.DataFrame]:
    return [
        read_csv(results(params) / dataset / split / folder / f"seed_{seed}" / "history.csv", columns)
        for split in params.datasets[dataset].splits
        for seed in params.seeds_of(dataset)
    ]
