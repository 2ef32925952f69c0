"""A small tree of plausible results, written where the pipeline would write them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from csdn.artifacts import files as artifacts
from csdn.artifacts import records
from csdn.config import shared_keys
from csdn.config.base import PROTOCOLS
from csdn.config.params import Params
from csdn.data.image_cache import write_pixels
from csdn.reporting.costs import COLUMNS, add_differences, write_costs
from csdn.reporting.tables import compare_variants
from csdn.seeding import derive_seed
from csdn.steps.registry import step_settings
from csdn.steps.reporting import CompareVariants
from csdn.study.files import shown_variant


@dataclass(frozen=True)
class Tree:
    """A finished tree of results; tests must not change it."""

    params: Params
    results: Path
    scores: list[Path]


EFFECTS = {"clip_init": -2.2, "baseline": 0.0, "clip_vireid": 0.25, "mspl": 0.05, "csdn": 0.4, "permuted_text": 0.02}
CAMERAS = {
    "sysu_mm01": {"visible": (1, 2, 4, 5), "infrared": (3, 6)},
    "regdb": {"visible": (1,), "infrared": (2,)},
    "llcm": {"visible": (1, 2, 3), "infrared": (1, 2, 3)},
}
PRIMARY = {
    "dataset": "sysu_mm01",
    "protocol": "sysu_all_single",
    "settings": {"default weights": [("csdn", "permuted_text"), ("csdn", "baseline")]},
}
DESCRIBED = [
    ("visible", "before", 0.98),
    ("infrared", "before", 0.9),
    ("visible", "after", 0.64),
    ("infrared", "after", 0.6),
]
UNTRAINED = {"encoder": {"epochs": 0, "text": "none"}}


def make_params(folder: Path, **changes: Any) -> Params:
    """Two datasets, the variants and the table of the paper's component ablation."""
    values: dict[str, Any] = {
        "datasets": {
            "sysu_mm01": {"layout": "sysu_mm01", "trials": 2},
            "regdb": {"layout": "regdb", "splits": ["1", "2"], "seeds": [0], "variants": ["baseline", "csdn"]},
        },
        "variants": {
            "clip_init": UNTRAINED,
            "baseline": {"encoder": {"text": "none"}},
            "clip_vireid": {"prompts": {"kind": "shared"}, "fusion": {"kind": "none"}},
            "mspl": {"fusion": {"kind": "none"}},
            "csdn": {},
            "permuted_text": {"encoder": {"text": "permuted"}},
        },
        "clip": {"weights": "mini"},
        "encoder": {"validate_every": 2},
        "seeds": [0, 1],
        "evaluation": {"protocols": ["sysu_all_single", "sysu_all_multi", *PROTOCOLS["regdb"]]},
        "tables": {
            "components": {
                "caption": "What each component adds",
                "variants": list(EFFECTS),
                "differences": [
                    ("csdn", "baseline"),
                    ("mspl", "clip_vireid"),
                    ("csdn", "mspl"),
                    ("csdn", "permuted_text"),
                    ("permuted_text", "baseline"),
                ],
            }
        },
        "runtime": {"data": str(folder / "data"), "results": str(folder / "results")},
    }
    return Params.model_validate(values | changes)


def compare(params: Params, scores: Iterable[Path | str], folder: Path) -> list[Path]:
    """Write the tables of the settings, as compare-variants does."""
    return compare_variants(cast(CompareVariants, step_settings(params, "compare_variants")), scores, folder)


def write_results(params: Params, *, identities: int = 24, training: int = 6) -> list[Path]:
    """Write every input of tables, figures and page; returns the score files."""
    results, files = Path(params.runtime.results), []
    for dataset in params.datasets:
        index = write_images(params, dataset, identities, training)
        for split in params.datasets[dataset].splits:
            write_stage_one(params, dataset, split)
            for variant in params.variants_of(dataset):
                for seed in params.seeds_of(dataset):
                    folder = results / dataset / split / "runs" / variant / f"seed_{seed}"
                    write_encoder(folder, variant, seed, params.variant(variant).encoder.epochs)
                    write_embeddings(folder, index, split, EFFECTS[variant], seed)
                    for protocol in params.protocols_of(dataset):
                        files.append(write_score(folder, index, dataset, split, variant, seed, protocol))
        write_explanations(params, dataset, index)
    write_zero_shot(results)
    write_cost_table(params)
    return files


def write_images(params: Params, dataset: str, identities: int, training: int) -> pd.DataFrame:
    """Index, pixel cache and annotations; the first `training` identities are for training."""
    settings, data = params.datasets[dataset], Path(params.runtime.data)
    generator = np.random.default_rng(derive_seed(0, dataset))
    rows = []
    for person in range(1, identities + training + 1):
        for modality, cameras in CAMERAS[settings.layout].items():
            for camera in cameras:
                for number in range(1, 3):
                    path = f"cam{camera}/{person:04d}/{number:04d}.jpg"
                    path = path if settings.layout == "sysu_mm01" else f"{modality}/{path}"
                    caption = f"A person of number {person} with a long coat, {modality}."
                    rows.append((path, person, camera, modality, caption))
    frame = pd.DataFrame(rows, columns=["path", "person_id", "camera_id", "modality", "caption"])
    index = frame.drop(columns="caption")
    for split in settings.splits:
        index[f"subset_{split}"] = np.where(frame["person_id"] <= training, "train", "test")
    height, width = settings.image_size
    pixels = np.stack(
        [silhouette(row.person_id, row.modality, (height, width), generator) for row in frame.itertuples()]
    )
    artifacts.write_parquet(data / "index" / f"{dataset}.parquet", index)
    artifacts.write_parquet(data / "raw" / dataset / "annotations.parquet", frame)
    write_pixels(data / "cache" / f"{dataset}_{height}x{width}.npy", pixels.shape, pixels, index["path"])
    return index


def silhouette(person: int, modality: str, size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Head, coat and legs in the person's colours, or in its grey levels."""
    own = np.random.default_rng(person)
    image = np.full((*size, 3), generator.integers(60, 200), dtype=np.float64)
    top, left = size[0] // 10 + generator.integers(0, 3), size[1] // 4 + generator.integers(-1, 2)
    for start, end, narrow in ((0.0, 0.16, 4), (0.16, 0.55, 0), (0.55, 0.9, 2)):
        colour = own.integers(20, 235, size=3) if modality == "visible" else np.full(3, own.integers(40, 235))
        rows = slice(top + int(start * size[0] * 0.85), top + int(end * size[0] * 0.85))
        image[rows, left + narrow : size[1] - left - narrow] = colour
    return np.clip(image + generator.normal(0, 9, size=image.shape), 0, 255).astype(np.uint8)


def write_stage_one(params: Params, dataset: str, split: str, epochs: int = 6) -> None:
    """history.csv of prompts and semantics."""
    root = Path(params.runtime.results) / dataset / split
    keys = {}
    for name in params.variants_of(dataset):
        keys[root / "prompts" / shared_keys.prompt_key(params, name)] = 0.8
        if shared_keys.semantics_key(params, name):
            keys[root / "semantics" / str(shared_keys.semantics_key(params, name))] = 0.7
    for folder, reached in keys.items():
        for seed in params.seeds_of(dataset):
            generator = np.random.default_rng(derive_seed(seed, folder.name))
            epoch = np.arange(epochs)
            share = reached * (1 - np.exp(-(epoch + 1) / 2)) + generator.normal(0, 0.01, epochs)
            frame = pd.DataFrame(
                {"epoch": epoch, "step": (epoch + 1) * 10, "learning_rate": 3e-3, "loss": 6 - 5 * share}
            )
            frame = frame.assign(accuracy_visible=share, accuracy_infrared=share * 0.8, seconds=1.5)
            if folder.parent.name == "prompts":
                frame["description_cosine"] = 0.98 + 0.01 * share
            artifacts.write_csv(folder / f"seed_{seed}" / "history.csv", frame)


def write_encoder(folder: Path, variant: str, seed: int, epochs: int) -> None:
    """history.csv of stage 2 with validation every second epoch."""
    generator = np.random.default_rng(derive_seed(seed, variant))
    epoch = np.arange(min(epochs, 12))
    falling = np.exp(-epoch / 5) + generator.normal(0, 0.01, len(epoch))
    frame = pd.DataFrame({"epoch": epoch, "step": (epoch + 1) * 20, "learning_rate": 6e-4, "identity": 6 * falling})
    frame = frame.assign(modality_shared=0.5 * falling, triplet=0.7 * falling, loss=9 * falling)
    if variant not in ("clip_init", "baseline"):
        frame = frame.assign(semantic_visible=5 * falling + 0.6, semantic_infrared=5 * falling + 0.8)
    quality = 0.45 * (1 - falling) + 0.02 * EFFECTS[variant]
    frame["seconds"] = 2.0
    frame["validation_map"] = np.where(epoch % 2 == 1, quality, np.nan)
    frame["validation_rank_1"] = np.where(epoch % 2 == 1, quality - 0.02, np.nan)
    if "semantic_visible" in frame:  # said of the whole training, in its last row
        last = {"description_cosine": 1.0, "description_chance": np.log(6)}
        last |= {f"description_{name}_{when}": share for name, when, share in DESCRIBED}
        frame = frame.assign(**{name: np.where(epoch == epoch[-1], value, np.nan) for name, value in last.items()})
    artifacts.write_csv(folder / "history.csv", frame)


def write_embeddings(folder: Path, index: pd.DataFrame, split: str, effect: float, seed: int) -> None:
    """Unit features around one centre an identity, shifted by modality."""
    rows = np.flatnonzero(index[f"subset_{split}"] == "test")
    generator = np.random.default_rng(derive_seed(seed, "features"))
    people = index["person_id"].to_numpy()[rows]
    centres = generator.normal(size=(people.max() + 1, 16))
    shift = np.where((index["modality"].to_numpy()[rows] == "visible")[:, None], 0.6, -0.6)
    features = (1.2 + effect / 4) * centres[people] + shift + generator.normal(size=(len(rows), 16))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    artifacts.write_tensors(folder / "embeddings.safetensors", {"features": features, "rows": rows.astype(np.int64)})


def write_explanations(params: Params, dataset: str, index: pd.DataFrame) -> None:
    """What explain-model writes for the shown variant's first run."""
    split, variant = params.datasets[dataset].splits[0], str(shown_variant(params, dataset))
    folder = Path(params.runtime.results) / dataset / split / "runs" / variant / f"seed_{params.seeds_of(dataset)[0]}"
    embedded = artifacts.read_tensors(folder / "embeddings.safetensors")
    generator = np.random.default_rng(derive_seed(0, "explanations", dataset))
    people = index["person_id"].to_numpy()[embedded["rows"]]
    few = np.flatnonzero(people <= np.unique(people)[4])
    rows, features = embedded["rows"][few], embedded["features"][few]
    visible = (index["modality"] == "visible").to_numpy()
    test = (index[f"subset_{split}"] == "test").to_numpy()
    pairs = np.stack([np.flatnonzero(test & side)[[0, -1]] for side in (visible, ~visible)])
    described = np.flatnonzero(index[f"subset_{split}"] == "train")
    tensors = {"rows": rows, "features_after": features, "pair_rows": pairs, "described_rows": described}
    tensors["features_before"] = generator.normal(size=features.shape).astype(np.float32)
    for name in ("attention_before", "attention_after", "grad_cam"):
        tensors[name] = generator.random((2, 2, 4, 2), dtype=np.float32)
    for name in ("own_before", "hardest_before", "own_after", "hardest_after"):
        tensors[name] = generator.uniform(0.1, 0.7, len(described)).astype(np.float32)
    artifacts.write_tensors(folder / "explanations.safetensors", tensors)


def write_score(
    folder: Path, index: pd.DataFrame, dataset: str, split: str, variant: str, seed: int, protocol: str,
    **changes: Any,
) -> Path:  # fmt: skip
    """One score JSON with its Parquet file and provenance; quality follows EFFECTS, the identity and the seed."""
    trials = 1 if protocol.startswith("regdb") else 2
    from_modality = "visible" if protocol.endswith("visible_to_infrared") else "infrared"
    queries = index[(index[f"subset_{split}"] == "test") & (index["modality"] == from_modality)]
    people = queries["person_id"].to_numpy()
    ability = np.random.default_rng(derive_seed(0, dataset)).normal(0, 1, people.max() + 1)
    own = np.random.default_rng(derive_seed(0, dataset, variant)).normal(0, 0.25, people.max() + 1)
    generator = np.random.default_rng(derive_seed(seed, dataset, split, variant, protocol))
    place = PROTOCOLS[dataset].index(protocol) * 0.15
    level = EFFECTS[variant] + place + generator.normal(0, 0.05) + (ability + own)[people]
    frames = []
    for trial in range(trials):
        quality = 1 / (1 + np.exp(-(level + generator.normal(0, 0.4, len(people)))))
        rank = 1 + (generator.random(len(people)) > quality) * generator.geometric(np.clip(quality / 2, 0.02, 1))
        precision = np.clip(0.7 * quality + 0.3 / rank, 0, 1)
        frame = queries[["path", "person_id", "camera_id"]].rename(columns={"path": "query_path"})
        frame = frame.assign(trial=trial, average_precision=precision, inverse_negative_penalty=precision * 0.6)
        frames.append(frame.assign(first_match_rank=rank))
    table = pd.concat(frames, ignore_index=True)
    ranks = table["first_match_rank"]
    metrics = {f"rank_{k}": float((ranks <= k).mean()) for k in (1, 5, 10, 20)}
    metrics |= {
        "map": float(table["average_precision"].mean()),
        "minp": float(table["inverse_negative_penalty"].mean()),
    }
    score = {
        "dataset": dataset, "variant": variant, "seed": seed, "split": split, "protocol": protocol, "gallery": "agw",
        "trials": trials, "metrics": metrics, "std": dict.fromkeys(metrics, 0.01) if trials > 1 else None,
        "queries": len(people), "valid_queries": len(people), "reranked": False,
    }  # fmt: skip
    path = folder / "scores" / f"{protocol}.json"
    artifacts.write_json(path, score | changes)
    artifacts.write_parquet(path.with_suffix(".parquet"), table)
    records.write_provenance(path, {"step": "score_retrieval", "protocol": protocol}, {})
    return path


def write_cost_table(params: Params) -> None:
    """The table of costs, a little more for each variant."""
    rows: list[dict[str, Any]] = []
    for dataset in params.datasets:
        own = []
        for number, variant in enumerate(params.variants_of(dataset), start=1):
            row = {name: number for name in COLUMNS if not name.startswith(("added", "above"))}
            gain = {"map_mean": 0.5, "protocol": params.protocols_of(dataset)[0], "runs": 1}
            own.append(row | gain | {"dataset": dataset, "variant": variant, "parameters": number * 1_000_000})
        rows += add_differences(own)
    write_costs(rows, {}, Path(params.runtime.results) / "tables")


def write_zero_shot(results: Path) -> None:
    """The small CLIP's table."""
    rows = [
        (attribute, modality, classes, 300, 1 / classes + gain / (1 if modality == "visible" else 2), 1 / classes)
        for attribute, classes, gain in (
            ("build", 3, 0.3),
            ("hat", 4, 0.4),
            ("upper_garment", 5, 0.35),
            ("bag", 4, 0.1),
        )
        for modality in ("visible", "infrared")
    ]
    rows.append(("upper_color", "visible", 12, 300, 0.35, 1 / 12))
    columns = ["attribute", "modality", "classes", "images", "balanced_accuracy", "chance"]
    table = pd.DataFrame(rows, columns=columns)
    table = table.assign(low=table["balanced_accuracy"] - 0.04, high=table["balanced_accuracy"] + 0.04)
    artifacts.write_csv(results / "clip" / "mini" / "zero_shot.csv", table)
