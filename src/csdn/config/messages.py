"""Validation errors as lines a user can act on: the key, what is wrong with it, and the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

FOLDER_PATTERN = r"^[^-{}\x00-\x1f][^{}\x00-\x1f]*$"
_NAMES = "may contain only lower-case letters, digits and _"
_PATTERNS = {FOLDER_PATTERN: "must be a folder name without braces, control characters or a leading dash"}


def problems(items: Iterable[Any], model: type[BaseModel], prefix: str = "") -> list[str]:
    """One line for each problem: `<key path>: what is wrong; what to do`.

    Args:
        items: of the `errors()` of a ValidationError.
        model: that was validated, where to look up the keys that exist.
        prefix: put before every key path, for a section that was validated on its own.
    """
    lines: list[str] = []
    for item in items:
        path = key_path((*([prefix] if prefix else []), *item["loc"]))
        for text in _what(item, model).splitlines():
            lines.append(f"{path}: {text}" if path else text)
    return lines


def key_path(parts: Iterable[str | int]) -> str:
    """`("datasets", "regdb", "splits", 0)` as `datasets.regdb.splits[0]`."""
    text = ""
    for part in parts:
        if part == "[key]":
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question, or the list of all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"


def _what(item: Any, model: type[BaseModel]) -> str:
    kind, value, context = item["type"], item["input"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(item['loc'][-1]), _keys_at(model, item['loc'][:-1]))}"
    if kind == "missing":
        return "missing; give it a value"
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"must be {context['expected']}, not {value!r}"
    if kind == "string_pattern_mismatch":
        return f"{_PATTERNS.get(context['pattern'], _NAMES)}, not {_short(value)}"
    message = item["msg"].removeprefix("Input ").replace("should", "must", 1)
    return f"{message[0].lower()}{message[1:]}, not {_short(value)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """Names of the keys of the section at `path` below `model`."""
    here: type[BaseModel] | None = model
    for part in path:
        if here is None:
            return []
        if isinstance(part, str) and part in here.model_fields:
            found = _model_in(here.model_fields[part].annotation)
            here = found or here
    return list(here.model_fields) if here else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `annotation`: `Dataset` in `dict[str, Dataset]`."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = _model_in(part)
        if found:
            return found
    return None
