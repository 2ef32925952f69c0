"""Settings that are valid one by one but contradict each other; all are reported before any work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from csdn.artifacts.shipped import shipped_record
from csdn.config.base import EMBEDDED, MINI, SHIPPED

if TYPE_CHECKING:
    from csdn.config.datasets import Dataset
    from csdn.config.params import Params, Variant

RESERVED = ("clip", "figures", "tables", "pretraining")  # other folders next to those of the datasets


def contradictions(params: Params) -> list[str]:
    """One line for each contradiction, with the keys and what to do.

    Only embedded datasets have a known number of identities; the step that reads a dataset from disk checks the others.
    """
    runs = [(name, variant) for name in params.datasets for variant in params.variants_of(name)]
    return [
        *_of_protocols(params),
        *_of_small_clip(params),
        *_of_clips_of_draws(params),
        *(line for name in params.datasets for line in _of_dataset(params, name)),
        *(line for name, variant in runs for line in _of_run(params, name, variant)),
    ]


def training_identities(params: Params, dataset: str) -> int | None:
    """Number of training identities; None if the dataset is on disk."""
    chosen = params.datasets[dataset]
    if chosen.root != EMBEDDED:
        return None
    people = getattr(params.benchmark, chosen.layout)
    return int(people.train + (people.val if "val" in chosen.train_subsets else 0) - chosen.held_out_identities)


def _of_protocols(params: Params) -> Iterator[str]:
    """Protocols of absent datasets are fine, because layers add and remove datasets; but one must remain to score."""
    names = params.evaluation.protocols or []
    if names and not any(params.protocols_of(dataset) for dataset in params.datasets):
        layouts = sorted({dataset.layout for dataset in params.datasets.values()})
        yield f"evaluation.protocols: {', '.join(names)} do not belong to the layouts {', '.join(layouts)}; name theirs"


def _of_small_clip(params: Params) -> Iterator[str]:
    used = [params.variant(v).clip for name in params.datasets for v in params.variants_of(name)]
    starts = {clip.weights for clip in used}
    if SHIPPED in starts:
        recipe = shipped_record()["parameters"]["clip"]
        for key in ("mini", "image_size"):
            if any(clip.model_dump(mode="json")[key] != recipe[key] for clip in used if clip.weights == SHIPPED):
                yield (
                    f"clip.{key}: the small CLIP that comes with csdn has {recipe[key]}; remove the key, or set "
                    "clip.weights to `mini` to pre-train another one"
                )
    if MINI in starts and params.clip.image_size != params.benchmark.image_size:
        yield (
            f"clip.image_size: is {list(params.clip.image_size)}, but the small CLIP is pre-trained on images of "
            f"benchmark.image_size {list(params.benchmark.image_size)}; set both to the same size"
        )


def _of_clips_of_draws(params: Params) -> Iterator[str]:
    if not params.clip.pretraining.one_per_draw:
        return
    key = "clip.pretraining.one_per_draw"
    used = [name for name in params.datasets if params.pretrained_on(name)]
    if not used:
        yield f"{key}: no variant starts from a pre-trained CLIP; set clip.weights to `{MINI}`, or remove the key"
    elif not any(params.datasets[name].has_draws for name in used):
        yield (
            f"{key}: no dataset that starts from a pre-trained CLIP has draws; list some, such as "
            f'datasets.{used[0]}.splits: ["1", "2"], or remove the key'
        )


def _of_dataset(params: Params, name: str) -> Iterator[str]:
    dataset, key = params.datasets[name], f"datasets.{name}"
    if name in RESERVED:
        yield f"{key}: a results folder already has this name; choose a name other than {', '.join(RESERVED)}"
    if dataset.held_out_identities and "val" in dataset.train_subsets:
        yield (
            f"{key}.held_out_identities: {dataset.held_out_identities} are set aside as `val`, which train_subsets "
            "trains on; set train_subsets to [train], or held_out_identities to 0"
        )
    left = training_identities(params, name)
    if left is not None and left < 1:
        yield (
            f"{key}.held_out_identities: with {dataset.held_out_identities}, none of benchmark.{dataset.layout}.train "
            "is left to train on; lower it"
        )


def _of_run(params: Params, name: str, variant: str) -> Iterator[str]:
    dataset, own = params.datasets[name], params.variant(variant)
    key = f"variants.{variant} on datasets.{name}"
    if not own.encoder.epochs:
        return
    known = training_identities(params, name)
    if known is not None and 0 < known < own.encoder.identities:
        yield (
            f"{key}: encoder.identities is {own.encoder.identities}, but there are only {known} training identities; "
            f"lower it, or raise benchmark.{dataset.layout}.train"
        )
    if own.encoder.selection == "best_on_validation" and not _has_validation(params, dataset):
        yield (
            f"{key}: encoder.selection best_on_validation needs identities that are not trained on; set "
            f"datasets.{name}.train_subsets to [train]"
            + ("" if dataset.layout == "sysu_mm01" else f" and datasets.{name}.held_out_identities above 0")
        )
    yield from _of_fusion(own, key)


def _has_validation(params: Params, dataset: Dataset) -> bool:
    if "val" in dataset.train_subsets:
        return False
    if dataset.held_out_identities:
        return True
    embedded = dataset.root == EMBEDDED
    return dataset.layout == "sysu_mm01" and not (embedded and params.benchmark.sysu_mm01.val == 0)


def _of_fusion(own: Variant, key: str) -> Iterator[str]:
    """Only the small CLIP's width of text features is known here; any other model has to be loaded first."""
    fused = own.uses_descriptions and own.fusion.kind == "attention"
    if fused and own.clip.model == MINI and own.clip.mini.embed_dim % own.fusion.heads:
        yield (
            f"{key}: fusion.heads {own.fusion.heads} does not divide clip.mini.embed_dim {own.clip.mini.embed_dim}; "
            "choose a divisor"
        )
