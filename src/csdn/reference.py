"""The reference of params.yaml, as a schema for editors and as a page to read; both are generated from the models."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from csdn.artifacts import write_json, write_text
from csdn.config import FIDELITY_PRESETS, Params

HEADER = """# Configuration

Every key of `params.yaml`. Generated from the models in `src/csdn` with `make schema`; the same as a JSON Schema, for
editors that complete and check YAML: `workflow/schemas/params.schema.json`.

Layers are merged key by key, later ones win, and `null` removes a dataset, variant or table of the layer below:

    snakemake all --configfile params.yaml config/paper.yaml --config 'encoder={epochs: 20}'
    csdn train-encoder --params params.yaml --params config/paper.yaml --set encoder.epochs=20 ...

A variant may change any key of `clip`, `prompts`, `fusion`, `encoder` and `fidelity`.
"""
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}
SIMPLE = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}


def schema() -> dict[str, Any]:
    """JSON Schema of params.yaml."""
    whole = Params.model_json_schema()
    fidelity = whole["properties"]["fidelity"]  # the one section that may be the name of a preset
    fidelity["anyOf"] = [{"$ref": fidelity.pop("$ref")}, {"enum": list(FIDELITY_PRESETS), "type": "string"}]
    return whole


def page() -> str:
    """Markdown page with one table a section, in the order of the models."""
    whole = schema()
    parts = [HEADER, *_section("", whole, whole["$defs"])]
    return "\n".join(parts)


def _section(path: str, model: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """The table of one section, then those of the sections in it."""
    rows, inner = [], []
    for name, key in model["properties"].items():
        below = _model(key, known)
        if below is None or "anyOf" in key:
            default = f"`{json.dumps(key['default'])}`" if "default" in key else "*required*"
            default = "*see below*" if isinstance(key.get("default"), dict) else default
            meaning = key.get("description") or (below or {}).get("description", "").split("\n")[0]
            rows.append(f"| `{name}` | {_kind(key, known)} | {default} | {meaning} |")
        if below is not None:
            repeated = "$ref" not in key and "anyOf" not in key
            inner += _section(f"{path}{name}.{'<name>.' if repeated else ''}", below, known)
    title = f"## `{path.rstrip('.')}`\n" if path else "## Top level\n"
    table = ["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""] if rows else []
    return [title, f"{model.get('description', '').splitlines()[0]}\n", *table, *inner]


def _model(key: dict[str, Any], known: dict[str, Any]) -> dict[str, Any] | None:
    """The section that `key` is or may be, or that each of its entries is."""
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


if __name__ == "__main__":  # python -m csdn.reference SCHEMA PAGE
    write_json(Path(sys.argv[1]), schema())
    write_text(Path(sys.argv[2]), page())
