"""Reference of params.yaml, generated from the models: a schema for editors, and pages to read."""

from __future__ import annotations

import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from csdn.artifacts.files import write_json, write_text
from csdn.config.fidelity import FIDELITY_PRESETS
from csdn.config.params import Params

HEADER = """# Configuration

Every key of `params.yaml`, generated from the models in `src/csdn` with `make schema`. Editors that complete and check
YAML can use the same as a JSON Schema: `workflow/schemas/params.schema.json`.

Layers are merged key by key, later ones win, and `null` removes a dataset, variant or table of an earlier layer:

    snakemake all --configfile params.yaml config/paper.yaml --config 'encoder={epochs: 20}'
    csdn train-encoder --params params.yaml --params config/paper.yaml --set encoder.epochs=20 ...

A variant may change any key of `clip`, `prompts`, `fusion`, `encoder` and `fidelity`.
"""
KEYS_TO_BEGIN_WITH = (
    *(f"datasets.<name>.{key}" for key in ("root", "image_size", "splits", "variants")),
    *("clip.model", "clip.weights", "encoder.epochs", "seeds", "evaluation.protocols"),
    *("runtime.device", "runtime.threads", "runtime.results", "tracking.store"),
)
README = """# Configuring the workflow

Generated from the models in `src/csdn` with `make schema`.

`params.yaml`, next to this folder, is always read, and nothing in it has to be changed: its defaults render the
embedded benchmark, so `snakemake --cores all all` runs without data or weights. To run on real data, put the keys that
differ into a file of your own and add it as a layer:

    snakemake --cores all all --configfile params.yaml config/paper.yaml mine.yaml

Layers are merged key by key, later ones win, and `null` removes a dataset, variant or table. Everything is checked
before the first job: an unknown key, a value out of range or a missing folder is reported in one line that names the
key and says what to do.

## Keys to begin with
"""
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
SIMPLE = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


def schema() -> dict[str, Any]:
    """JSON Schema of params.yaml."""
    whole = Params.model_json_schema()
    fidelity = whole["properties"]["fidelity"]  # this section alone may also be given as the name of a preset
    fidelity["anyOf"] = [{"$ref": fidelity.pop("$ref")}, {"enum": list(FIDELITY_PRESETS), "type": "string"}]
    return whole


def page() -> str:
    """Markdown page with one table for each section, in the order of the models."""
    whole = schema()
    parts = [HEADER, *_section("", whole, whole["$defs"])]
    return "\n".join(parts)


def readme(folder: Path) -> str:
    """Markdown page about the folder of configuration files: keys to begin with, all sections, and what each file is.

    Args:
        folder: holds the YAML files, each of which begins with a comment.
    """
    whole = schema()
    known = {key.name: key for key in _keys("", whole, whole["$defs"])}
    sections = [
        f"| `{name}` | {key.get('description') or _meaning(_model(key, whole['$defs']))} |"
        for name, key in whole["properties"].items()
    ]
    parts = [
        README,
        "| key | value | default | meaning |\n|---|---|---|---|",
        *(known[name].row() for name in KEYS_TO_BEGIN_WITH),
        "\n## Sections of params.yaml\n\nEvery key of each: [docs/configuration.md](../docs/configuration.md); for "
        "editors and programs:\n[workflow/schemas/params.schema.json](../workflow/schemas/params.schema.json).\n",
        "| section | what it decides |\n|---|---|",
        *sections,
        "\n## Files of this folder\n\nEach is a layer on top of `params.yaml`; the command is at its top.\n",
        "| file | what it is |\n|---|---|",
        *(f"| `config/{path.name}` | {_first_sentence(path)} |" for path in sorted(folder.glob("*.yaml"))),
    ]
    return "\n".join(parts) + "\n"


class Key(NamedTuple):
    """A row of the reference: the dotted name, and the kind of value, default and meaning as Markdown."""

    name: str
    kind: str
    default: str
    meaning: str

    def row(self, prefix: str = "") -> str:
        """The row as Markdown, its name without `prefix`."""
        return f"| `{self.name.removeprefix(prefix)}` | {self.kind} | {self.default} | {self.meaning} |"


def _first_sentence(path: Path) -> str:
    """The first sentence of the comment at the top of a file."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return re.split(r"(?<=[.])\s", " ".join(line.lstrip("# ") for line in lines))[0]


def _keys(path: str, model: dict[str, Any], known: dict[str, Any]) -> Iterator[Key]:
    """The keys of a section, followed by those of the sections inside it."""
    inner = []
    for name, key in model["properties"].items():
        below = _model(key, known)
        if below is None or "anyOf" in key:
            default = f"`{json.dumps(key['default'])}`" if "default" in key else "*required*"
            default = "*see below*" if isinstance(key.get("default"), dict) else default
            yield Key(f"{path}{name}", _kind(key, known), default, key.get("description") or _meaning(below))
        if below is not None:
            inner.append((_inside(path, name, key), below))
    for prefix, below in inner:
        yield from _keys(prefix, below, known)


def _meaning(section: dict[str, Any] | None) -> str:
    return str((section or {}).get("description", "")).split("\n")[0]


def _inside(path: str, name: str, key: dict[str, Any]) -> str:
    """The prefix of the keys in a section, or in each of its entries."""
    repeated = "$ref" not in key and "anyOf" not in key
    return f"{path}{name}.{'<name>.' if repeated else ''}"


def _section(path: str, model: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """The table of one section, followed by those of the sections inside it."""
    depth = path.count(".")
    rows = [key.row(path) for key in _keys(path, model, known) if key.name.count(".") == depth]
    inner = [
        line
        for name, key in model["properties"].items()
        if (below := _model(key, known)) is not None
        for line in _section(_inside(path, name, key), below, known)
    ]
    title = f"## `{path.rstrip('.')}`\n" if path else "## Top level\n"
    table = ["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""] if rows else []
    return [title, f"{model.get('description', '').splitlines()[0]}\n", *table, *inner]


def _model(key: dict[str, Any], known: dict[str, Any]) -> dict[str, Any] | None:
    """The section that `key` is, may be, or has as entries; None if it has none."""
    inside = key.get("additionalProperties") or next(iter(key.get("patternProperties", {}).values()), None)
    options = [key, inside if isinstance(inside, dict) else {}, *key.get("anyOf", [])]
    found: dict[str, Any] = next((option for option in options if "$ref" in option), {})
    return known[found["$ref"].rsplit("/", 1)[1]] if "$ref" in found else None


def _kind(key: dict[str, Any], known: dict[str, Any]) -> str:
    if "enum" in key:
        return ", ".join(f"`{value}`" for value in key["enum"])
    if "const" in key:
        return f"`{key['const']}`"
    if "anyOf" in key:
        return " or ".join(dict.fromkeys(_kind(option, known) for option in key["anyOf"]))
    if key.get("type") == "array":
        items = key.get("prefixItems")
        each = ", ".join(_kind(item, known) for item in items) if items else _kind(key.get("items", {}), known)
        return f"[{each}]" if items else f"list of {each}"
    if key.get("type") == "object" or "$ref" in key:
        return "mapping"
    bounds = [text.format(key[name]) for name, text in BOUNDS.items() if name in key]
    return " ".join([SIMPLE.get(key.get("type", ""), "any"), " and ".join(bounds)]).strip()


if __name__ == "__main__":  # python -m csdn.config.reference SCHEMA PAGE README
    write_json(Path(sys.argv[1]), schema())
    write_text(Path(sys.argv[2]), page())
    write_text(Path(sys.argv[3]), readme(Path(sys.argv[3]).parent))
