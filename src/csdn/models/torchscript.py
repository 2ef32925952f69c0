"""The tensors of a TorchScript archive, the format of OpenAI's CLIP, read without loading the program in it.

`torch.jit.load` would compile that program and may run parts of it. An archive also holds its tensors, as a pickle of
the module's attributes (`data.pkl`) and a file of bytes for each storage (`data/<key>`); only these are read here, and
the pickle may name nothing but modules, tensors and dictionaries.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _Module:
    """A module of the archive: its attributes and none of its code."""


def _rebuild(
    stored: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> torch.Tensor:
    """A tensor on a storage (N,); sizes that reach beyond it are an error here, while `set_` would make it larger."""
    return stored.as_strided(size, stride, offset)


class _Tensors(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(archive.open(f"{folder}/data.pkl"))
        self._archive, self._folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may name; everything else is an error, before it is called."""
        if module.split(".")[0] == "__torch__":
            return _Module
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        known: dict[tuple[str, str], Any] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"names {module}.{name}, which is no tensor")
        return known[module, name]

    def persistent_load(self, pid: Any) -> torch.Tensor:
        """A storage: its kind, type, key, place and number of elements."""
        _, dtype, key, _, count = pid
        content = bytearray(self._archive.read(f"{self._folder}/data/{key}"))
        return torch.frombuffer(content, dtype=dtype, count=count) if count else torch.empty(0, dtype=dtype)


def read_torchscript(path: Path) -> dict[str, torch.Tensor]:
    """The tensors among the attributes of the archive's module and of those in it, by their dotted names."""
    with zipfile.ZipFile(path) as archive:
        entry = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        return dict(_named(_Tensors(archive, entry.removesuffix("/data.pkl")).load(), ""))


def _named(module: _Module, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    for name, value in vars(module).items():
        if isinstance(value, torch.Tensor):
            yield prefix + name, value
        elif isinstance(value, _Module):
            yield from _named(value, f"{prefix}{name}.")
