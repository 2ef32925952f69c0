"""The subcommands about costs: describe-model, by hand, and compare-costs, which the ablation tables come from."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from csdn.artifacts.files import read_json, write_json
from csdn.config.layouts import MODALITIES
from csdn.config.params import Params
from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.console.results import print_result
from csdn.data.image_cache import read_index, subset_rows
from csdn.models.costs import ModuleCost, fusion_costs, network_costs, prompt_costs
from csdn.reporting.costs import STAGES, CostRow, add_differences, quantity, write_costs
from csdn.steps.registry import step_settings
from csdn.steps.reporting import CompareCosts, DescribeModel
from csdn.steps.selection import Selection
from csdn.study.files import runs_of, shown_split
from csdn.study.paths import index_path, paths_of
from csdn.training.workload import image_flops, step_activation_bytes, training_flops


def run_describe_model(settings: DescribeModel, output: Path | None, as_json: bool) -> None:
    """Print the costs of every module of a variant as a table or as JSON, and write the JSON to `output`."""
    costs = describe(settings)
    content = {
        "dataset": settings.dataset,
        "variant": settings.variant,
        "model": settings.clip.model,
        "image_size": list(settings.image_size),
        "identities": settings.identities,
        "modules": [asdict(cost) for cost in costs],
    }
    if output:
        write_json(output, content)
    print_result(content, lambda: _print_costs(settings, costs), as_json=as_json)


def describe(settings: DescribeModel) -> list[ModuleCost]:
    """Costs of the modules that the variant uses, stage by stage."""
    start = (settings.clip.architecture, settings.image_size)
    identities, prompts, fusion = settings.identities, settings.prompts, settings.fusion
    costs: list[ModuleCost] = []
    if settings.described and prompts.learned:
        costs += prompt_costs(*start, identities, **prompts.of_bank())
    if settings.described and fusion.trained:
        costs += fusion_costs(*start, fusion.kind, heads=fusion.heads, dropout=fusion.dropout)
    scale = settings.encoder.head_scale
    return costs + network_costs(*start, identities, classifier_scale=scale, described=settings.described)


def run_compare_costs(settings: CompareCosts, output: Path) -> None:
    """Write the table of costs of every dataset and variant into the folder `output`."""
    params = settings.params
    metrics = read_json(Path(paths_of(params).metrics))
    rows: list[CostRow] = []
    modules: dict[str, dict[str, Any]] = {}
    known: dict[str, list[ModuleCost]] = {}  # variants that differ in their training only have the same modules
    for dataset in params.datasets:
        visible, infrared, identities = _training_counts(params, dataset)
        own = []
        for variant in (name for name in settings.variants if name in params.variants_of(dataset)):
            described = _description(params, dataset, variant, identities)
            key = described.encoder.classifier + described.model_dump_json(exclude={"variant", "dataset", "encoder"})
            costs = known[key] = known.get(key) or describe(described)
            modules.setdefault(dataset, {})[variant] = [asdict(cost) for cost in costs]
            own.append(_row(params, dataset, variant, costs, (visible, infrared, identities), metrics))
        rows += add_differences(own)
    write_costs(rows, modules, output)


def _description(params: Params, dataset: str, variant: str, identities: int) -> DescribeModel:
    settings = step_settings(params, "describe_model", Selection(dataset, variant=variant))
    return cast(DescribeModel, settings.model_copy(update={"identities": identities}))


def _training_counts(params: Params, dataset: str) -> tuple[int, int, int]:
    """Visible images, infrared images and identities of the training of the dataset's first split."""
    split = shown_split(params, dataset)
    index = read_index(Path(index_path(params, dataset, split)))
    train = index.iloc[subset_rows(index, split, params.datasets[dataset].train_subsets)]
    visible, infrared = (int((train["modality"] == modality).sum()) for modality in MODALITIES)
    return visible, infrared, train["person_id"].nunique()


def _row(
    params: Params, dataset: str, variant: str, costs: list[ModuleCost], counts: tuple[int, int, int], metrics: Any
) -> CostRow:
    settings = params.variant(variant)
    prompts, fusion, encoder = settings.prompts, settings.fusion, settings.encoder
    batch, trained = encoder.identities * encoder.images, encoder.epochs > 0
    passes = {"prompts": (prompts.epochs, prompts.batch), "fusion": (fusion.epochs, fusion.batch)}
    flops = training_flops(costs, counts, passes | {"encoder": (encoder.epochs, batch)}, prompts.banks)
    parameters = {stage: sum(cost.trainable for cost in costs if cost.stage == stage) for stage in STAGES}
    parameters["encoder"] *= trained
    seconds = _training_seconds(params, dataset, variant)
    image = image_flops(costs, "visible") * (2 if params.evaluation.flip else 1)
    protocol = next(iter(params.scores_of(dataset)))
    scored = metrics.get(dataset, {}).get(protocol, {}).get(variant, {})
    return {
        "dataset": dataset,
        "variant": variant,
        "runs": len(params.datasets[dataset].splits) * len(params.seeds_of(dataset)),
        **{f"{stage}_parameters": parameters[stage] for stage in STAGES},
        **{f"{stage}_flops": flops[stage] for stage in STAGES},
        **{f"{stage}_seconds": seconds[stage] for stage in STAGES},
        "parameters": sum(parameters.values()),
        "training_flops": sum(flops.values()),
        "training_seconds": round(sum(seconds.values()), 1),
        "image_flops": image,
        "activation_bytes": step_activation_bytes(costs, batch) * trained,
        "protocol": protocol,
        "map_mean": scored.get("map"),
    }


def _training_seconds(params: Params, dataset: str, variant: str) -> dict[str, float]:
    """Mean seconds of each stage over the runs, from their histories."""
    paths, key = paths_of(params), semantics_key(params, variant)
    patterns = {"encoder": paths.history}
    if key is not None:
        patterns |= {"prompts": paths.prompts_history, "fusion": paths.semantics_history}
    keys = {"prompt_key": prompt_key(params, variant), "semantics_key": key}
    runs = [run | keys for run in runs_of(params, dataset) if run["variant"] == variant]
    out = dict.fromkeys(STAGES, 0.0)
    for stage, pattern in patterns.items():
        out[stage] = round(float(np.mean([_seconds(Path(pattern.format(**run))) for run in runs])), 1)
    return out


def _seconds(history: Path) -> float:
    frame = pd.read_csv(history)
    return float(frame["seconds"].sum()) if "seconds" in frame else 0.0  # nothing was trained


def _print_costs(settings: DescribeModel, costs: list[ModuleCost]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    height, width = settings.image_size
    title = f"{settings.variant} on {settings.dataset}: {settings.clip.model}, {height}x{width}"
    title += f", {settings.identities} identities"
    caption = "FLOPs, FLOPs with the backward pass, and the memory it needs, of one unit each"
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("module", "size", "trained", "unit", "FLOPs", "training", "MiB"):
        table.add_column(name, justify="left" if name in ("module", "unit") else "right", no_wrap=True)
    for _, members in groupby(costs, key=lambda cost: cost.stage):
        for cost in members:
            sizes = (quantity(cost.parameters), quantity(cost.trainable), cost.unit)
            flops = (quantity(cost.forward_flops), quantity(cost.training_flops))
            table.add_row(cost.module, *sizes, *flops, f"{cost.activation_bytes / 2**20:,.2f}")
        table.add_section()
    table.add_row("all", *(quantity(sum(getattr(c, name) for c in costs)) for name in ("parameters", "trainable")))
    Console().print(table)
