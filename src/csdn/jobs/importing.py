"""The subcommand import-checkpoint: weights that the authors' code has trained, as the encoder of a run of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch

from csdn.artifacts.files import SELECTED_ON_TEST, write_csv, write_tensors
from csdn.artifacts.records import RECORD, record_of, write_provenance
from csdn.config.base import MINI
from csdn.config.params import Params
from csdn.console.results import print_result
from csdn.data.image_cache import read_index, training_identities
from csdn.errors import UserError
from csdn.models.authors_checkpoint import import_state, read_checkpoint, trained_identities
from csdn.models.build import build_network
from csdn.models.clip_backbone import random_clip
from csdn.models.resnet_tower import TwoStreamResNet
from csdn.steps.input_checks import check_inputs
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection
from csdn.steps.training import TrainEncoder
from csdn.study.paths import HISTORY, index_path, paths_of

ENCODER = {"descriptor": "reference", "classifier": "linear"}  # what the authors' network computes with its weights
FIDELITY = {"stem": "reference", "normalization": "imagenet"}


def run_import_checkpoint(
    params: Params, selection: Selection, checkpoint: Path, *, force: bool = False, selected_on_test: bool = True
) -> dict[str, Any]:
    """Write the encoder of a run from a checkpoint of the authors' code, with a record that says so.

    Args:
        params: the study.
        selection: dataset, split, variant and seed of the run.
        checkpoint: their state dict, `model_*.pth`.
        force: overwrite an encoder that was not imported.
        selected_on_test: whether its epoch was chosen on the test set, as the authors' code does.

    Returns:
        What was written and what was left out.

    Raises:
        UserError: settings and checkpoint disagree, the file is wrong, or there is a trained encoder.
    """
    settings = step_settings(params, "train_encoder", selection)
    assert isinstance(settings, TrainEncoder)
    _check_settings(settings)
    output = Path(paths_of(params).encoder.format(**vars(selection)))
    _check_place(output, force)
    index = Path(index_path(params, settings.dataset, settings.split))
    record, files = settings.record(), {"index": index, "checkpoint": checkpoint}
    state = read_checkpoint(checkpoint)
    digests = check_inputs(record, {"index": index})
    person_ids = training_identities(read_index(index), settings.split, settings.train_subsets)
    if (classes := trained_identities(state)) != len(person_ids):
        raise UserError(
            f"{checkpoint}: was trained with {classes} identities, but {settings.dataset} trains {len(person_ids)} in "
            f"split {settings.split}; set --dataset, --split and datasets.{settings.dataset}.train_subsets to those of "
            "its training (the authors' --pid_num is 395 for RegDB, too, unless given)"
        )
    clip, generator = random_clip(settings.clip.architecture, settings.image_size), torch.Generator()
    network = build_network(clip, identities=classes, generator=generator, **settings.of_network())
    if not isinstance(network.backbone, TwoStreamResNet):
        raise UserError(f"clip.model: {settings.clip.model} is no ResNet, as the authors' is; set RN50-quickgelu")
    left_out = import_state(network, state, checkpoint)
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_csv(output.with_name(HISTORY), pd.DataFrame(columns=["epoch"]))  # nothing was trained here
    write_tensors(output, weights | {"person_ids": person_ids}, SELECTED_ON_TEST if selected_on_test else None)
    imported = {"tensors": len(weights), "left_out": left_out, "selected_on_test": selected_on_test}
    write_provenance(output, record, files, digests=digests, imported=imported)
    return {"encoder": str(output), "identities": classes} | imported


def print_import(result: dict[str, Any], *, as_json: bool) -> None:
    """Print what was imported and what was not."""

    def told() -> None:
        print(f"{result['encoder']}: {result['tensors']} tensors, classifiers of {result['identities']} identities")
        parts = ", ".join(f"{name} ({count})" for name, count in sorted(result["left_out"].items()))
        print(f"not imported, for the encoder does not use it: {parts or 'nothing'}")
        if result["selected_on_test"]:
            print("labelled as selected on the test set, as the authors' code does; --last-epoch says otherwise")

    print_result(result, told, as_json=as_json)


def _check_settings(settings: TrainEncoder) -> None:
    """The checkpoint's weights mean something else under other settings."""
    for section, wanted, own in (("encoder", ENCODER, settings.encoder), ("fidelity", FIDELITY, settings.fidelity)):
        for key, value in wanted.items():
            if (found := getattr(own, key)) != value:
                raise UserError(
                    f"{section}.{key}: is `{found}`, but the authors' network was trained with `{value}`; set it, in "
                    f"variants.{settings.variant} for instance"
                )
    model = settings.clip.model
    if model != MINI and not model.endswith("-quickgelu"):
        raise UserError(f"clip.model: {model} computes GELU, but the authors' CLIP QuickGELU; set {model}-quickgelu")


def _check_place(output: Path, force: bool) -> None:
    """An encoder that took days to train must not be lost; one that was imported can be imported again."""
    if force or not output.exists():
        return
    recorded = Path(f"{output}{RECORD}").is_file() and "imported" in record_of(output)
    if not recorded:
        raise UserError(
            f"{output}: there is a trained encoder; import into a variant of its own, or add --force to overwrite it"
        )
