"""Weights that the authors' released code has trained, under the names of this project's network.

Their state dict holds prompts, text tower and fusion beside the visual network. A trained encoder has no use for these,
so they are named but not imported. Both releases of the code have the same names (docs/models.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from csdn.errors import UserError
from csdn.models.clip_weights import State, read_state
from csdn.models.reid_network import ReIDNetwork

GIVEN_BY = "the checkpoint's path"
NOT_OF_THE_ENCODER = ("prompt_learner1", "prompt_learner2", "text_encoder", "attention_fusion")
_CLASSES = "classifier.classifier.weight"
_POSITIONS = "attnpool.positional_embedding"
_STEM = {f"{kind}{number}": 2 * number - 2 + place for number in (1, 2, 3) for place, kind in enumerate(("conv", "bn"))}
_PARTS = {  # prefix of our names -> of theirs
    **{f"backbone.visible_stem.{ours}.": f"image_encoder1.{place}." for ours, place in _STEM.items()},
    **{f"backbone.infrared_stem.{ours}.": f"image_encoder2.{place}." for ours, place in _STEM.items()},
    "backbone.layers.": "image_encoder.",
    "backbone.attention_pool.": "attnpool.",
    "pooling.": "classifier.GEM.",
    "pooled_head.neck.": "classifier.BN.",
    "pooled_head.": "classifier.classifier.",
    "projected_head.neck.": "classifier2.BN.",
    "projected_head.": "classifier2.classifier.",
}


def authors_name(name: str) -> str:
    """What the authors' code calls the tensor `name` of a `ReIDNetwork` on a ResNet."""
    prefix = next(prefix for prefix in _PARTS if name.startswith(prefix))  # a neck comes before its head
    return _PARTS[prefix] + name.removeprefix(prefix)


def read_checkpoint(path: Path) -> State:
    """The authors' state dict, read with `weights_only=True` on the CPU; without the prefix `module.`.

    Raises:
        UserError: the file is missing, damaged, no state dict, contains Python objects, or is not of their network.
    """
    state = read_state(path, GIVEN_BY)
    if _CLASSES not in state or _POSITIONS not in state:
        lacks = _POSITIONS if _CLASSES in state else _CLASSES
        raise UserError(f"{path}: lacks {lacks}; give the whole state dict of the authors' network (model_*.pth)")
    if state[_CLASSES].ndim != 2:
        raise UserError(f"{path}: {_CLASSES} is not a matrix; give the state dict of the authors' network")
    return state


def trained_identities(state: Mapping[str, torch.Tensor]) -> int:
    """How many identities the checkpoint's classifiers tell apart."""
    return len(state[_CLASSES])


def import_state(network: ReIDNetwork, state: Mapping[str, torch.Tensor], source: Path) -> dict[str, int]:
    """Load the authors' weights into `network`, in place, in float32.

    Args:
        network: on a ResNet, with as many identities as `state` and its positions resampled to the images' size.
        state: what `read_checkpoint` gave.
        source: the file, for messages.

    Returns:
        How many tensors of each part were left out, for they are not of the encoder.

    Raises:
        UserError: a tensor is missing, unknown, of another shape or not finite; names the first one.
    """
    own = network.state_dict()
    names = {name: authors_name(name) for name in own}
    left_out = Counter(part for key in state if (part := key.split(".")[0]) in NOT_OF_THE_ENCODER)
    if missing := [theirs for theirs in names.values() if theirs not in state]:
        raise UserError(
            f"{source}: lacks {len(missing)} of {len(names)} tensors, first {missing[0]}; give the whole state dict of "
            "the authors' network, and set clip.model to the CLIP that it was trained from"
        )
    others = {key for key in state if key.split(".")[0] not in NOT_OF_THE_ENCODER} - set(names.values())
    if others:
        raise UserError(
            f"{source}: has {len(others)} tensors that the authors' network with this clip.model does not have, first "
            f"{min(others)}; set clip.model to the CLIP that it was trained from, or give an unchanged checkpoint"
        )
    for name, theirs in names.items():
        if state[theirs].shape != own[name].shape:
            raise UserError(_wrong_shape(source, theirs, state[theirs].shape, own[name].shape))
        if not torch.isfinite(state[theirs]).all():
            raise UserError(f"{source}: {theirs} has values that are not finite; copy or download the file again")
    network.load_state_dict({name: state[theirs].to(own[name].dtype) for name, theirs in names.items()})
    return dict(left_out)


def _wrong_shape(source: Path, name: str, found: torch.Size, wanted: torch.Size) -> str:
    has = f"{source}: {name} has the shape {tuple(found)}, but these settings need {tuple(wanted)}"
    if name == _POSITIONS and found[1:] == wanted[1:]:
        return f"{has}, one row and one for each position; set datasets.<name>.image_size to the size of its training"
    return f"{has}; set clip.model to the CLIP that it was trained from"
