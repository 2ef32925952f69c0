"""Every path of data/ and results/, once: patterns whose fields in braces Snakemake reads as wildcards.

A new path is a new line here. Imports nothing heavy, for the workflow asks for all of them before it plans.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from csdn.artifacts.records import RECORD
from csdn.config.base import EMBEDDED, MINI
from csdn.config.params import Params

# Where a run lies below the results folder; in MLflow it is known by the same.
SMALL_CLIP_KEY = f"clip/{MINI}"
CLIP_OF_DRAW_KEY = "clip/draw_{split}"
PROMPTS_KEY = "{dataset}/{split}/prompts/{prompt_key}/seed_{seed}"
SEMANTICS_KEY = "{dataset}/{split}/semantics/{semantics_key}/seed_{seed}"
RUN_KEY = "{dataset}/{split}/runs/{variant}/seed_{seed}"

_SMALL_CLIP = f"{{results}}/{SMALL_CLIP_KEY}"
_CLIP_OF_DRAW = f"{{results}}/{CLIP_OF_DRAW_KEY}"
_PROMPTS = f"{{results}}/{PROMPTS_KEY}"
_SEMANTICS = f"{{results}}/{SEMANTICS_KEY}"
_RUN = f"{{results}}/{RUN_KEY}"
_LOGS = "logs/{results_name}/{step}"

# Names of files that a step writes beside its --output, or into the folder that it is given.
ANNOTATIONS = "annotations.parquet"
PIXELS = "images.npy"
HISTORY = "history.csv"
ZERO_SHOT = "zero_shot.csv"
METRICS = "metrics.json"
MATCHES = "matches.csv"
TRAINING_CURVES = "training.csv"
CHECKPOINTS = ".checkpoints"

DRAW_SET = "{dataset}-draw_{split}"  # a draw's images; the names of datasets contain no dash
PRETRAINING = "pretraining"  # the dataset of the small CLIP, beside those of params.yaml
PERMUTATIONS = "exp/rand_perm_cam.mat"  # the official gallery draw, in the folder of SYSU-MM01's images


@dataclass(frozen=True)
class Paths:
    """The patterns, with the folders of a study filled in by `paths_of`; the other fields stay wildcards."""

    raw_images: str = "{data}/raw/{dataset}"
    annotations: str = f"{raw_images}/{ANNOTATIONS}"
    annotations_record: str = annotations + RECORD
    draw_images: str = f"{raw_images}/draw_{{split}}"
    draw_annotations: str = f"{draw_images}/{ANNOTATIONS}"
    draw_annotations_record: str = draw_annotations + RECORD
    pretraining_annotations: str = f"{{data}}/{PRETRAINING}/{ANNOTATIONS}"
    pretraining_images: str = f"{{data}}/{PRETRAINING}/{PIXELS}"
    draw_pretraining_annotations: str = f"{{data}}/{PRETRAINING}/draw_{{split}}/{ANNOTATIONS}"
    draw_pretraining_images: str = f"{{data}}/{PRETRAINING}/draw_{{split}}/{PIXELS}"
    index: str = "{data}/index/{image_set}.parquet"
    cache: str = "{data}/cache/{image_set}_{height}x{width}.npy"

    small_clip: str = _SMALL_CLIP + "/clip.safetensors"
    small_clip_history: str = f"{_SMALL_CLIP}/{HISTORY}"
    zero_shot: str = f"{_SMALL_CLIP}/{ZERO_SHOT}"
    clip_of_draw: str = _CLIP_OF_DRAW + "/clip.safetensors"
    clip_of_draw_history: str = f"{_CLIP_OF_DRAW}/{HISTORY}"
    clip_of_draw_zero_shot: str = f"{_CLIP_OF_DRAW}/{ZERO_SHOT}"
    prompts: str = _PROMPTS + "/prompts.safetensors"
    prompts_history: str = f"{_PROMPTS}/{HISTORY}"
    semantics: str = _SEMANTICS + "/semantics.safetensors"
    semantics_history: str = f"{_SEMANTICS}/{HISTORY}"
    encoder: str = _RUN + "/encoder.safetensors"
    history: str = f"{_RUN}/{HISTORY}"
    embeddings: str = _RUN + "/embeddings.safetensors"
    explanations: str = _RUN + "/explanations.safetensors"
    scores: str = _RUN + "/scores/{protocol}.json"
    query_scores: str = _RUN + "/scores/{protocol}.parquet"
    checkpoints: str = f"{{results}}/{CHECKPOINTS}"

    encoder_digests: str = "{results}/encoders.sha256"
    tables: str = "{results}/tables"
    table: str = f"{tables}/{{table}}.{{ending}}"
    metrics: str = f"{tables}/{METRICS}"
    figures: str = "{results}/figures"
    figure: str = f"{figures}/{{figure}}.svg"
    figure_digests: str = f"{figures}.sha256"
    matches: str = f"{{results}}/curves/{MATCHES}"
    training_curves: str = f"{{results}}/curves/{TRAINING_CURVES}"
    report: str = "{results}/report.html"
    tracking: str = "{results}/tracking.json"

    log: str = _LOGS + ".log"
    images_log: str = _LOGS + "/{image_set}.log"
    prompts_log: str = _LOGS + "/{dataset}/{split}/{prompt_key}/seed_{seed}.log"
    semantics_log: str = _LOGS + "/{dataset}/{split}/{semantics_key}/seed_{seed}.log"
    run_log: str = _LOGS + "/{dataset}/{split}/{variant}/seed_{seed}.log"
    scores_log: str = _LOGS + "/{dataset}/{split}/{variant}/seed_{seed}/{protocol}.log"


def paths_of(params: Params) -> Paths:
    """The patterns below the data and results folders of a study."""
    return _below(params.runtime.data, params.runtime.results)


@cache
def _below(data: str, results: str) -> Paths:
    folders = {"data": data, "results": results, "results_name": Path(results).name}
    return Paths(**{pattern.name: fill(str(pattern.default), **folders) for pattern in fields(Paths)})


def fill(pattern: str, **values: object) -> str:
    """`pattern` with the fields named in `values` filled in; the others stay."""
    for name, value in values.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


def as_glob(pattern: str) -> str:
    """`pattern` with a star for each field, for `Path.glob`."""
    return re.sub(r"\{\w+\}", "*", pattern)


def image_set(params: Params, dataset: str, split: str) -> str:
    """The name of the images that a split is of: the dataset's, or with draws the draw's, which no dataset can have."""
    return fill(DRAW_SET, dataset=dataset, split=split) if params.datasets[dataset].has_draws else dataset


def index_path(params: Params, dataset: str, split: str) -> str:
    """The index of a split's images."""
    return paths_of(params).index.format(image_set=image_set(params, dataset, split))


def cache_path(params: Params, dataset: str, split: str) -> str:
    """The pixel cache of a split's images, whose size is part of the name."""
    height, width = params.datasets[dataset].image_size
    return paths_of(params).cache.format(image_set=image_set(params, dataset, split), height=height, width=width)


def image_folder(params: Params, dataset: str, split: str) -> str:
    """The folder of a split's images: the user's, or that of the rendered ones."""
    section, paths = params.datasets[dataset], paths_of(params)
    if section.root != EMBEDDED:
        return section.root
    return (paths.draw_images if section.has_draws else paths.raw_images).format(dataset=dataset, split=split)
