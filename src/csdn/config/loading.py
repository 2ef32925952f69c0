"""Merge params.yaml, further YAML layers and `--set key=value`, validate the result, and report every problem."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from csdn.artifacts.files import readable
from csdn.config.base import EMBEDDED
from csdn.config.messages import problems
from csdn.config.params import Params, merge
from csdn.errors import UserError, first_line, printable

Place = tuple[int | str, ...]


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, which also refuses a key given twice in a mapping: the first would be lost silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key {key.value!r} is given twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_params(layers: Iterable[Path | str], overrides: Iterable[str] = ()) -> Params:
    """Merge YAML files in order, apply `a.b.c=value` overrides, and validate the result.

    Args:
        layers: YAML files; later ones win, mappings merge key by key, null removes a dataset, variant or table.
        overrides: `key.path=value`, the value read as YAML.

    Raises:
        UserError: a file cannot be read or a value is wrong; one line for every problem.
    """
    merged: dict[str, Any] = {}
    for path in layers:
        merged = merge(merged, read_layer(path))
    return validate(merge_overrides(merged, overrides))


def validate(values: Mapping[str, Any]) -> Params:
    """Validate merged values (keys and values as YAML gives them).

    Raises:
        UserError: one line for every problem.
    """
    left: Any = dict(values)
    lines: list[str] = []
    removed: set[Place] = set()
    while True:
        try:
            params = Params.model_validate(left)
        except ValidationError as error:
            lines += [line for line in _new_problems(error, removed) if line not in lines]
            places = {_place(item["loc"]) for item in error.errors(include_url=False)}
            smaller = _without(left, places)
            if smaller == left:
                break
            removed |= places
            left = smaller
        else:
            if not lines:
                return params
            break
    raise UserError("\n".join(map(printable, lines)))


def _new_problems(error: ValidationError, removed: set[Place]) -> list[str]:
    """Lines of the problems that removing other values did not cause."""
    own = [
        item
        for item in error.errors(include_url=False)
        if not any(place[: len(item["loc"])] == _place(item["loc"]) for place in removed)
    ]
    return problems(own, Params)


def _place(location: tuple[int | str, ...]) -> Place:
    """The keys of a problem down to the first list, without the parts that pydantic adds."""
    keys = list(takewhile(lambda part: isinstance(part, str), location))
    return tuple(key for key in keys if key != "[key]")


def _without(values: Any, places: set[Place]) -> Any:
    """`values` without the entries at `places`, so that the others can be checked as well."""
    if not isinstance(values, dict):
        return values
    out = {}
    for key, value in values.items():
        if (key,) not in places:
            out[key] = _without(value, {place[1:] for place in places if place[:1] == (key,)} - {()})
    return out


def read_layer(path: Path | str) -> dict[str, Any]:
    """Read one YAML file that contains a mapping.

    Raises:
        UserError: the file is missing, not YAML or not a mapping.
    """
    try:
        with readable(path):
            value = _UniqueKeys(Path(path).read_text(encoding="utf-8")).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: not UTF-8, or an invalid date
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "the file"
        what = getattr(error, "problem", None) or first_line(error)
        raise UserError(f"{path}: {where} is not YAML ({what}); fix it") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{path}: contains a {type(value).__name__}; write `key: value` lines")
    return value


def merge_overrides(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """`values` with the `a.b.c=value` overrides applied.

    Raises:
        UserError: an override has no `=`, an empty key, or a value that is not YAML.
    """
    for text in overrides:
        key, equals, value = text.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not equals or not all(parts):
            raise UserError(
                f"--set {printable(text)}: is not of the form key.path=value; write e.g. --set encoder.epochs=5"
            )
        try:
            nested: Any = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UserError(f"--set {printable(text)}: the value is not YAML; quote it") from error
        for part in reversed(parts):
            nested = {part: nested}
        values = merge(values, nested)
    return values


def check_paths(params: Params) -> None:
    """Check that the folders and files named in the settings exist, before anything is written.

    Raises:
        UserError: one line for every path that does not exist.
    """
    lines = missing_paths(params)
    if lines:
        raise UserError("\n".join(map(printable, lines)))


def missing_paths(params: Params) -> list[str]:
    """One line for every folder and file named in the settings that does not exist."""
    lines = [
        f"datasets.{name}.root: no folder {dataset.root!r}; set it to your copy of the dataset, or to `{EMBEDDED}`"
        for name, dataset in params.datasets.items()
        if dataset.root != EMBEDDED and not Path(dataset.root).is_dir()
    ]
    used = {variant for name in params.datasets for variant in params.variants_of(name)}
    files = {params.variant(variant).clip.weights_path for variant in used}
    lines += [
        f"clip.weights: no file {path!r}; set it to a file of weights, `mini` or an open_clip tag"
        for path in sorted(filter(None, files))
        if not Path(path).is_file()
    ]
    return lines
