"""The record beside every result: what it was made from, with which code and on which machine."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from csdn.artifacts.digests import digest
from csdn.artifacts.files import read_json, write_json
from csdn.artifacts.machine import describe_machine, installed, revision

PACKAGES = ("csdn", "numpy", "torch", "open_clip_torch", "pandas", "scipy", "pillow", "snakemake", "mlflow")

RECORD = ".provenance.json"  # ending of the record beside a result


def write_provenance(
    output: Path | str,
    step: Mapping[str, Any],
    inputs: Mapping[str, Path | str],
    *,
    digests: Mapping[str, str] = MappingProxyType({}),
    beside: Iterable[Path | str] = (),
    compute: Mapping[str, Any] | None = None,
    imported: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Write `<output>.provenance.json` beside a result, with the digests of the result itself and of its inputs.

    It holds what the result came from: parameters, inputs, code, machine and what it computed on. Times are left out so
    that the same inputs give the same record.

    Args:
        output: the result.
        step: the settings that it was made with.
        inputs: name and file of each input.
        digests: of inputs that were read already, by name (`check_inputs`); the others are read.
        beside: further files in the same folder that belong to the result.
        compute: device and precision of a step that computes with a network (`Compute.record`).
        imported: what was taken from one of the inputs, for a result that the step itself has not made.

    Returns:
        The digests of the result and of what lies beside it, by file name.
    """
    outputs = {path.name: digest(path) for path in (Path(output), *map(Path, beside))}
    record = {
        "parameters": dict(step),
        "inputs": {
            name: {"path": Path(path).as_posix(), "sha256": digests.get(name) or digest(path)}
            for name, path in sorted(inputs.items())
        },
        "code": revision(),
        "packages": {name: installed(name) for name in PACKAGES},
        "python": platform.python_version(),
        "machine": describe_machine(),
        **({"compute": dict(compute)} if compute else {}),
        **({"imported": dict(imported)} if imported else {}),
        "outputs": outputs,
    }
    write_json(f"{output}{RECORD}", record)
    return outputs


def record_of(path: Path | str) -> dict[str, Any]:
    """The record beside a result.

    Raises:
        UserError: it is missing or unreadable.
    """
    return dict(read_json(f"{path}{RECORD}"))
