"""Weights of CLIP from files: read without running any code in them, and checked before they are used."""

from __future__ import annotations

import zipfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from csdn.errors import UserError, first_line
from csdn.models.small_clip import TABLE
from csdn.models.torchscript import read_torchscript

OPENAI_SCALARS = frozenset({"input_resolution", "context_length", "vocab_size"})  # in OpenAI's archives only
_OTHER_LAYOUTS = {  # by the prefix of a key: what kind of file has such keys
    "vision_model.": "a CLIP in the layout of Hugging Face's transformers; give the original or open_clip's file",
    "text_model.": "a CLIP in the layout of Hugging Face's transformers; give the original or open_clip's file",
    "backbone.": "an encoder that train-encoder wrote; give the CLIP that training starts from",
    "layer1.": "an image classifier's ResNet without CLIP's text tower; give a CLIP",
}

State = dict[str, torch.Tensor]


def read_state(path: Path, given_by: str = "clip.weights, or --clip") -> State:
    """A state dict from safetensors, `torch.save`d tensors or an OpenAI TorchScript archive; none of its code is run.

    Of a TorchScript archive only the tensors are read; everything else is read with `weights_only=True` or as
    safetensors.

    Args:
        path: the file.
        given_by: the setting or option that names it, for messages.

    Raises:
        UserError: the file is missing, damaged, does not contain weights, or contains anything but tensors.
    """
    _check_file(path, given_by)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if _is_torchscript(path):
            return read_torchscript(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # every format raises its own errors, and a damaged file can raise nearly anything
        raise UserError(_unreadable(path, error, given_by)) from error
    return _state_of(loaded, path)


def load_state(
    model: nn.Module, state: Mapping[str, torch.Tensor], source: Path | str, name: str, *, may_lack_words: bool = False
) -> None:
    """Load `state` into the CLIP `model`, converting to float32.

    Args:
        source: the file; `name`: the `clip.model`. Both are for error messages.
        may_lack_words: rows of the token table may be NaN: words that the CLIP has not learned.

    Raises:
        UserError: the weights are of another architecture, incomplete, of other shapes, or not finite.
    """
    own = model.state_dict()
    for problem in _problems(own, state, name, ignored={TABLE} if may_lack_words else set()):
        raise UserError(f"{source}: {problem}")
    wanted = {key: state[key].float() if value.is_floating_point() else state[key] for key, value in own.items()}
    model.load_state_dict(wanted)


def is_openai(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights come from one of OpenAI's archives, which need QuickGELU."""
    return set(state) >= OPENAI_SCALARS


def architecture(state: Mapping[str, torch.Tensor]) -> str | None:
    """The image tower that a state dict of CLIP belongs to, in words; None if it has none."""
    if "visual.class_embedding" in state and "visual.conv1.weight" in state:
        blocks = {key.split(".")[3] for key in state if key.startswith("visual.transformer.resblocks.")}
        width, _, patch, _ = state["visual.conv1.weight"].shape
        return f"a vision transformer ({len(blocks)} layers, width {width}, patches of {patch} pixels)"
    if "visual.layer1.0.conv1.weight" in state:
        stages = [{key.split(".")[2] for key in state if key.startswith(f"visual.layer{n}.")} for n in range(1, 5)]
        width = state["visual.layer1.0.conv1.weight"].shape[0]
        return f"a ResNet ({'-'.join(str(len(blocks)) for blocks in stages)} blocks, width {width})"
    return None


def _check_file(path: Path, given_by: str) -> None:
    """Raise an error if the first bytes show that this is not a file of weights."""
    try:
        with path.open("rb") as handle:
            start = handle.read(64)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; correct {given_by}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give the file itself (by {given_by})") from error
    if not start:
        raise UserError(f"{path}: is empty; download the weights again")
    if start.startswith(b"version https://git-lfs"):
        raise UserError(f"{path}: is a Git LFS pointer, not the weights; fetch the file with `git lfs pull`")
    if start.lstrip()[:1] == b"<":
        raise UserError(f"{path}: is a web page, not weights; download the file itself")
    if start.startswith(b"PK\x03\x04") and not zipfile.is_zipfile(path):
        raise UserError(f"{path}: is truncated; download the weights again")


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _unreadable(path: Path, error: Exception, given_by: str) -> str:
    text, first = str(error), first_line(error)
    if path.suffix == ".safetensors":
        return f"{path}: is truncated or not a safetensors file ({first}); download the weights again"
    if "Weights only load failed" in text and "Unsupported" in text:
        return f"{path}: contains Python objects, which are not loaded for safety; give a state dict or safetensors"
    return f"{path}: cannot be read as weights ({first}); correct {given_by}"


def _state_of(loaded: Any, path: Path) -> State:
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"{path}: is not a state dict of tensors; give a state dict or safetensors")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def _problems(
    own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], name: str, ignored: Collection[str]
) -> Iterator[str]:
    """What is wrong with the weights `state` of a model whose own are `own`; each check needs those before it.

    Values of the tensors `ignored` need not be finite.
    """
    wanted, found = architecture(own), architecture(state)
    if found is None:
        nothing = f"has no CLIP image tower (its first tensor is {min(state, default='none')}); give weights of a CLIP"
        layouts = (what for start, what in _OTHER_LAYOUTS.items() if any(key.startswith(start) for key in state))
        yield next((f"is {what}" for what in layouts), nothing)
    if wanted != found:
        yield f"is {found}, but clip.model {name} is {wanted}; correct clip.model or clip.weights"
    if missing := sorted(set(own) - set(state)):
        lacks = f"lacks {len(missing)} of {len(own)} tensors, first {missing[0]}"
        yield f"{lacks}; give the whole CLIP, text tower included"
    for key, value in own.items():
        if state[key].shape != value.shape:
            has, needs = (tuple(tensor.shape) for tensor in (state[key], value))
            yield f"has {key} of shape {has}, but clip.model {name} needs {needs}; correct clip.model or clip.weights"
    for key in (key for key in own if key not in ignored):
        if count := int((~torch.isfinite(state[key])).sum()):
            yield f"has {count} values in {key} that are not finite (NaN or infinite); download the weights again"
