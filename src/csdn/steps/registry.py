"""What each step depends on: picks the slice of the settings that Snakemake records and hands to the step's command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from csdn.config.base import EMBEDDED, MINI, PROTOCOLS
from csdn.config.consistency import training_identities
from csdn.config.layouts import official_training_identities
from csdn.config.loading import load_params
from csdn.config.messages import did_you_mean
from csdn.config.params import Params, Variant
from csdn.config.shared_keys import (
    UNTRAINED_FUSIONS,
    UNTRAINED_PROMPTS,
    backbone,
    dump,
    encoder_fidelity,
    fusion_fidelity,
    image_fidelity,
    prompt_key,
    semantics_key,
)
from csdn.errors import UserError
from csdn.steps.slices import AnySlice, Checkpointing, Embedding, IndexImages, Machine, canonical, parse, parse_slice
from csdn.study.paths import PRETRAINING, image_folder

# Raise a step's version when its meaning changes: its results and what follows from them are then made again.
STEP_VERSIONS: dict[str, int] = {
    "make_dataset": 2,
    "pretrain_clip": 3,
    "index_images": 1,
    "learn_prompts": 2,
    "fuse_semantics": 2,
    "train_encoder": 4,
    "embed_images": 3,
    "explain_model": 1,
    "score_retrieval": 1,
    "track_scores": 1,
    "compare_variants": 3,
    "describe_model": 1,
    "compare_costs": 1,
    "draw_figures": 3,
    "write_report": 3,
}


def step_slice(
    params: Params,
    step: str,
    *,
    dataset: str | None = None,
    split: str | None = None,
    variant: str | None = None,
    seed: int | str | None = None,
    protocol: str | None = None,
) -> dict[str, Any]:
    """What `step` depends on, as a JSON-ready dictionary that `parse` and `parse_slice` read back.

    Raises:
        UserError: the step, dataset, split, variant or protocol does not exist, or one that is needed is missing.
    """
    if step not in STEP_VERSIONS:
        raise UserError(f"step: no step {step!r}; {did_you_mean(step, STEP_VERSIONS)}")
    chosen = _Selection(params, dataset, split, variant, seed, protocol)
    values = {"step": step, "version": STEP_VERSIONS[step], **_BUILDERS[step](chosen)}
    parse(values)
    # Through the text, so that a command run by hand sees the same order of keys as a job of Snakemake.
    return json.loads(canonical(values))


def load_slice(layers: Sequence[str], overrides: Sequence[str], step: str, **selection: Any) -> AnySlice:
    """The slice of a command: from the text that Snakemake hands over, or from YAML files and a selection.

    Args:
        layers: what `--params` gave: YAML files, or one text that starts with `{`.
        overrides: what `--set` gave.
        step: the command's step.
        selection: dataset, split, variant, seed and protocol, where the step needs them; not used with a text.

    Raises:
        UserError: wrong settings, or a text of another step.
    """
    if not layers:
        raise UserError("--params: missing; give params.yaml")
    if layers[0].lstrip().startswith("{"):
        found = parse_slice(layers[0], overrides)
        if found.step != step:
            raise UserError(f"--params: is a slice of {found.step}, not of {step}; give the slice of this step")
        return found
    params = load_params(layers, overrides)
    values = step_slice(params, step, **selection)
    elsewhere = {"tracking": params.tracking, "checkpoints": Checkpointing.of(params)}
    return parse(values | {name: dump(section) for name, section in elsewhere.items()})


def slices_of_datasets(
    layers: Sequence[str], overrides: Sequence[str], dataset: str | None, root: Path | None
) -> list[tuple[IndexImages, Path]]:
    """The `index_images` slices of one dataset, or of all that are there, each with its folder.

    Args:
        layers: see `load_slice`.
        overrides: see `load_slice`.
        dataset: name of the dataset; None for all.
        root: its folder, if not the configured one.

    Raises:
        UserError: wrong settings, or a folder for several datasets.
    """
    if layers and layers[0].lstrip().startswith("{"):
        found = load_slice(layers, overrides, "index_images")
        return [(found, root or Path(found.root))] if isinstance(found, IndexImages) else []
    params = load_params(layers, overrides)
    names = [dataset] if dataset else list(params.datasets)
    if root and len(names) > 1:
        raise UserError(f"--dataset: missing; --root {root} is the folder of one of {', '.join(names)}")
    out = []
    for name in names:
        made = load_slice(layers, overrides, "index_images", dataset=name)
        if isinstance(made, IndexImages):
            out.append((made, root or Path(image_folder(params, name))))
    return out


class _Selection:
    """The settings, and the part of them that a slice is for; complains about what is missing or unknown."""

    def __init__(self, params: Params, dataset: Any, split: Any, variant: Any, seed: Any, protocol: Any) -> None:
        self.params = params
        self._given = {"dataset": dataset, "split": split, "variant": variant, "seed": seed, "protocol": protocol}

    def __getitem__(self, name: str) -> Any:
        value = self._given[name]
        if value is None:
            raise UserError(f"--{name}: missing; give one{self._known(name)}")
        if name == "seed":
            return int(value)
        known = self._choices(name)
        if known and value not in known:
            raise UserError(f"--{name} {value}: unknown; {did_you_mean(str(value), known)}")
        return value

    def _choices(self, name: str) -> list[str]:
        if name == "variant":
            return list(self.params.variants)
        if name == "dataset":
            return list(self.params.datasets)
        if name == "split":
            return self.dataset.splits
        if name == "protocol":
            # The official gallery follows from the dataset, so that its protocols may be named without it too.
            names = [*self.params.scores_of(self["dataset"]), *self.params.protocols_of(self["dataset"])]
            return list(dict.fromkeys(names))
        return []

    def _known(self, name: str) -> str:
        return f" of {', '.join(self._choices(name))}" if name in ("dataset", "variant") else ""

    @property
    def dataset(self) -> Any:
        return self.params.datasets[self["dataset"]]

    @property
    def variant(self) -> Variant:
        return self.params.variant(self["variant"])

    def place(self) -> dict[str, Any]:
        return {"dataset": self["dataset"], "split": self["split"], "seed": self["seed"]}

    def trained(self) -> dict[str, Any]:
        return {
            **self.place(),
            "image_size": list(self.dataset.image_size),
            "clip": backbone(self.variant.clip),
            "runtime": self.machine(),
        }

    def machine(self) -> dict[str, Any]:
        return {name: getattr(self.params.runtime, name) for name in Machine.model_fields if name != "compile"}


def _make_dataset(chosen: _Selection) -> dict[str, Any]:
    name = chosen._given["dataset"]
    layout = None if name == PRETRAINING else chosen.dataset.layout
    if layout and chosen.dataset.root != EMBEDDED:
        raise UserError(
            f"datasets.{name}.root: is a folder, so nothing is rendered; set it to `{EMBEDDED}` to render it"
        )
    parts = {"seed", "image_size", "luminance_share", "noise", "occlusion", "night", layout or PRETRAINING}
    return {
        "dataset": name,
        "layout": layout,
        "benchmark": chosen.params.benchmark.model_dump(mode="json", include=parts),
    }


def _pretrain_clip(chosen: _Selection) -> dict[str, Any]:
    clip = dump(chosen.params.clip) | {"model": MINI, "weights": MINI}
    return {"clip": clip, "runtime": chosen.machine() | {"threads": chosen.params.runtime.pretraining_threads}}


def _index_images(chosen: _Selection) -> dict[str, Any]:
    keys = {"layout", "root", "splits", "image_size", "held_out_identities"}
    if chosen.dataset.duplicates != "refuse":
        keys.add("duplicates")
    return {"dataset": chosen["dataset"], **chosen.dataset.model_dump(mode="json", include=keys)}


def _learn_prompts(chosen: _Selection) -> dict[str, Any]:
    own = chosen.variant
    return {
        **chosen.trained(),
        "prompt_key": prompt_key(chosen.params, chosen["variant"]),
        "train_subsets": list(chosen.dataset.train_subsets),
        "prompts": dump(own.prompts) if own.prompts.kind not in UNTRAINED_PROMPTS else {"kind": own.prompts.kind},
        "fidelity": image_fidelity(own.fidelity),
    }


def _fuse_semantics(chosen: _Selection) -> dict[str, Any]:
    key = semantics_key(chosen.params, chosen["variant"])
    if key is None:
        raise UserError(
            f"variants.{chosen['variant']}: uses no descriptions, so there is nothing to fuse; choose another variant"
        )
    own = chosen.variant
    trained = own.fusion.kind not in UNTRAINED_FUSIONS
    described_by = {"kind"} if own.prompts.kind in UNTRAINED_PROMPTS else {"kind", "template", "tokens"}
    return {
        **chosen.trained(),
        "semantics_key": key,
        "train_subsets": list(chosen.dataset.train_subsets),
        "prompts": own.prompts.model_dump(mode="json", include=described_by),
        "fusion": dump(own.fusion) if trained else {"kind": own.fusion.kind},
        "fidelity": image_fidelity(own.fidelity) | (fusion_fidelity(own.fidelity) if trained else {}),
    }


def _train_encoder(chosen: _Selection) -> dict[str, Any]:
    compiled = {"compile": True} if chosen.params.runtime.compile else {}  # named only where it changes something
    dataset = chosen.dataset
    on_test = {"protocol": PROTOCOLS[dataset.layout][0], "trials": dataset.trials}
    return {
        **chosen.trained(),
        "runtime": chosen.machine() | compiled,
        "variant": chosen["variant"],
        "layout": chosen.dataset.layout,
        "train_subsets": list(chosen.dataset.train_subsets),
        "encoder": dump(chosen.variant.encoder),
        "fidelity": encoder_fidelity(chosen.variant.fidelity),
        **({"test_selection": on_test} if chosen.variant.encoder.selection == "best_on_test" else {}),
    }


def _embed_images(chosen: _Selection) -> dict[str, Any]:
    evaluation = chosen.params.evaluation.model_dump(mode="json", include=set(Embedding.model_fields))
    if evaluation["precision"] == "fp32":
        del evaluation["precision"]  # named only where it changes something
    return {
        **chosen.trained(),
        "variant": chosen["variant"],
        "encoder": dump(chosen.variant.encoder),
        "fidelity": encoder_fidelity(chosen.variant.fidelity),
        "evaluation": evaluation,
    }


def _explain_model(chosen: _Selection) -> dict[str, Any]:
    return {
        **chosen.trained(),
        "variant": chosen["variant"],
        "train_subsets": list(chosen.dataset.train_subsets),
        "encoder": dump(chosen.variant.encoder),
        "fidelity": encoder_fidelity(chosen.variant.fidelity),
    }


def _score_retrieval(chosen: _Selection) -> dict[str, Any]:
    dataset = chosen.dataset
    drawn = {"gallery": dataset.gallery, "trials": dataset.trials}
    name = chosen["protocol"]
    protocol, reranked = chosen.params.scores_of(chosen["dataset"]).get(name, (name, False))
    reranking = chosen.params.evaluation.reranking
    return {
        **chosen.place(),
        "variant": chosen["variant"],
        "protocol": protocol,
        "layout": dataset.layout,
        **({} if dataset.layout == "regdb" else drawn),
        **({"reranking": reranking.model_dump()} if reranked and reranking else {}),
    }


def _track_scores(chosen: _Selection) -> dict[str, Any]:
    return {"store": dump(chosen.params.tracking)}


def _compare_variants(chosen: _Selection) -> dict[str, Any]:
    params = chosen.params
    return {
        "datasets": {
            name: {
                **dataset.model_dump(mode="json", include={"layout", "gallery", "trials", "splits"}),
                "embedded": dataset.root == EMBEDDED,
                "variants": params.variants_of(name),
                "seeds": params.seeds_of(name),
                "protocols": list(params.scores_of(name)),
            }
            for name, dataset in params.datasets.items()
        },
        "tables": {name: dump(table) for name, table in params.tables.items()},
        "results": params.runtime.results,
    }


def _describe_model(chosen: _Selection) -> dict[str, Any]:
    own = chosen.variant
    return {
        "dataset": chosen["dataset"],
        "variant": chosen["variant"],
        "image_size": list(chosen.dataset.image_size),
        "identities": training_identities(chosen.params, chosen["dataset"])
        or official_training_identities(chosen.dataset.layout),
        "clip": backbone(own.clip),
        "prompts": dump(own.prompts),
        "fusion": dump(own.fusion),
        "encoder": dump(own.encoder),
        "described": semantics_key(chosen.params, chosen["variant"]) is not None,
    }


def _compare_costs(chosen: _Selection) -> dict[str, Any]:
    values = chosen.params.model_dump(mode="json", exclude={"tracking", "benchmark", "tables"})
    values["benchmark"] = {"image_size": list(chosen.params.benchmark.image_size)}  # that of the small CLIP, too
    for name, dataset in values["datasets"].items():
        dataset.pop("trials")  # they change gains, which come from a file
        dataset["variants"] = chosen.params.variants_of(name)
    del values["runtime"]["checkpoint_seconds"], values["runtime"]["scratch"]
    return {"variants": list(chosen.params.variants), "params": values}


def _everything(chosen: _Selection) -> dict[str, Any]:
    values = chosen.params.model_dump(mode="json", exclude={"tracking"})
    del values["runtime"]["checkpoint_seconds"], values["runtime"]["scratch"]  # like `tracking`, they change no result
    return {"params": values}


_BUILDERS: dict[str, Callable[[_Selection], dict[str, Any]]] = {
    "make_dataset": _make_dataset,
    "pretrain_clip": _pretrain_clip,
    "index_images": _index_images,
    "learn_prompts": _learn_prompts,
    "fuse_semantics": _fuse_semantics,
    "train_encoder": _train_encoder,
    "embed_images": _embed_images,
    "explain_model": _explain_model,
    "score_retrieval": _score_retrieval,
    "track_scores": _track_scores,
    "compare_variants": _compare_variants,
    "describe_model": _describe_model,
    "compare_costs": _compare_costs,
    "draw_figures": _everything,
    "write_report": _everything,
}
