"""What the record beside a result is for: to notice, when the result is used, that it is not what it should be.

An error where the number that follows would be wrong: the file was edited, comes from other inputs, from other settings
or from a step whose meaning has changed. A warning where nobody can tell: no record, or another version of csdn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from csdn.artifacts.cache_record import HOW_TO_REPAIR, find_damage
from csdn.artifacts.digests import digest
from csdn.artifacts.files import read_json
from csdn.artifacts.machine import installed
from csdn.artifacts.records import RECORD
from csdn.config.base import MINI
from csdn.errors import UserError, printable, warn
from csdn.steps.registry import STEP_VERSIONS
from csdn.study.paths import PRETRAINING

COMMON = ("dataset", "split", "seed", "variant", "image_size", "clip", "train_subsets")  # alike in steps that follow


def check_inputs(step: Mapping[str, Any], inputs: Mapping[str, Path | None]) -> dict[str, str]:
    """Check the results that a step is given, reading each once.

    Args:
        step: the step's settings.
        inputs: name and file of each input; None where there is none. The same name means the same kind of file in
            the records, so that an index given here must be the index that the embeddings given here came from.

    Returns:
        What identifies the content of each input that is there (`artifacts.digests.digest`), by its name.

    Raises:
        UserError: a line for each input that was edited, or comes from other inputs, settings or code.
    """
    files = {name: (path, _read(path)) for name, path in inputs.items() if path is not None and path.is_file()}
    problems: list[str] = []
    digests: dict[str, str] = {}  # of what is whole: what came from an edited file is not reported again
    for name, (path, record) in files.items():
        found, lines = _edited(path, record or {})
        problems += lines
        digests |= {name: found} if not lines else {}
    unknown: list[Path] = []
    for name, (path, record) in files.items():
        if record is None:
            if path.suffix != ".npy" and not _is_foreign(name, step):
                unknown.append(path)
            continue
        problems += _other_inputs(path, record, digests)
        problems += _other_settings(path, record, step) if not _is_foreign(name, step) else []
        problems += _other_code(path, record)
    _report(unknown, problems)
    return digests


def check_results(paths: Iterable[Path]) -> None:
    """Check that results are as they were written, each by its own record.

    Raises:
        UserError: a line for each that was edited or comes from a step whose meaning has changed.
    """
    problems: list[str] = []
    unknown: list[Path] = []
    for path in filter(Path.is_file, map(Path, paths)):
        record = _read(path)
        if record is None:
            unknown.append(path)
            continue
        problems += _edited(path, record)[1]
        problems += _other_code(path, record)
    _report(unknown, problems)


def recorded_input(path: Path, name: str) -> str | None:
    """The digest of the input `name` that a result was made from; None if that is not known. Reads the record alone."""
    source = (_read(path) or {}).get("inputs", {}).get(name)
    return source.get("sha256") if isinstance(source, dict) else None


def _read(path: Path) -> dict[str, Any] | None:
    """The record beside `path`, with the sections that it lacks as empty ones; None if there is none."""
    place = path.with_name(path.name + RECORD)
    if not place.is_file():
        return None
    record = read_json(place)
    sections = ("parameters", "inputs", "packages", "outputs")
    if not isinstance(record, dict) or not all(isinstance(record.get(name, {}), dict) for name in sections):
        raise UserError(f"{place}: is no provenance record; delete {path.name} and run the step that writes it again")
    return {name: record.get(name, {}) for name in sections}


def _edited(path: Path, record: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Digest of a result; a line for it, and for each file beside it, that does not have the recorded content."""
    wrong = find_damage(path) if path.suffix == ".npy" else None
    if wrong:
        return "", [f"{path}: {wrong}; {HOW_TO_REPAIR}"]
    own, lines = digest(path), []
    for name, expected in record.get("outputs", {}).items():
        file = path.parent / (printable(Path(name).name) or "?")
        if not file.is_file():
            lines.append(f"{file}: is missing, {path.name} was written with it; {_again(path, record)}")
        elif (own if file == path else digest(file)) != expected:
            lines.append(f"{file}: was changed after it was written; {_again(path, record)}")
    return own, lines


def _other_inputs(path: Path, record: Mapping[str, Any], digests: Mapping[str, str]) -> list[str]:
    """What a result came from must be what is given beside it."""
    lines = []
    for name, source in record.get("inputs", {}).items():
        expected = source.get("sha256") if isinstance(source, dict) else None
        if expected and digests.get(name, expected) != expected:
            lines.append(f"{path}: was made with another {name} than the one given; {_again(path, record)}")
    return lines


def _other_settings(path: Path, record: Mapping[str, Any], step: Mapping[str, Any]) -> list[str]:
    made = record.get("parameters", {})
    if draws := _draws_of_small_clip(made, step):
        step = {name: value for name, value in step.items() if name != "split"}  # that of a run, maybe of RegDB
    lines = [
        f"{path}: was made with {name} {old!r}, not {new!r}; give the one of these settings, or make it"
        for name, old, new in _differences(made, step)
        if name.partition(".")[0] in COMMON
    ]
    if draws and draws[0] != draws[1]:
        of, wanted = (f"draw {draw}" if draw else "all draws" for draw in draws)
        lines.append(f"{path}: is for {of}, not for {wanted}; give the one of these settings, or make it")
    return lines


def _draws_of_small_clip(made: Mapping[str, Any], step: Mapping[str, Any]) -> tuple[str | None, str | None] | None:
    """The draw that a small CLIP, or its images, were made for and the one wanted; a record without one is of all."""
    if made.get("dataset") == PRETRAINING and step.get("step") == "pretrain_clip":
        return made.get("split"), step.get("split")
    clip = step.get("clip")
    if made.get("step") == "pretrain_clip" and isinstance(clip, Mapping):
        return made.get("split"), clip.get("draw")
    return None


def _differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Dotted name and both values of what two settings have in common and set differently."""
    for name in [name for name in first if name in second]:
        old, new = first[name], second[name]
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from ((f"{name}.{inner}", a, b) for inner, a, b in _differences(old, new))
        elif old is not None and new is not None and old != new:
            yield name, old, new


def _other_code(path: Path, record: Mapping[str, Any]) -> list[str]:
    made = record.get("parameters", {})
    step, number = made.get("step"), made.get("version")
    current = STEP_VERSIONS.get(str(step))
    if current is not None and number is not None and number != current:
        return [
            f"{path}: was made by version {number} of {step}, whose meaning has changed since (now {current}); "
            f"{_again(path, record)}"
        ]
    wrote, own = record.get("packages", {}).get("csdn"), installed("csdn")
    if wrote and own and wrote != own:
        warn(f"{path}: was made by csdn {wrote}, this is {own}")
    return []


def _again(path: Path, record: Mapping[str, Any]) -> str:
    step = str(record.get("parameters", {}).get("step", "")).replace("_", "-")
    by = f"`csdn {step}`" if step else "the step that writes it"
    return f"delete {path.name} and run {by} again (`scripts/snake` does)"


def _is_foreign(name: str, step: Mapping[str, Any]) -> bool:
    """Whether an input is a user's own file: it may have no record, or that of another study."""
    clip = step.get("clip")
    return name in ("permutations", "features") or (
        name == "clip" and isinstance(clip, Mapping) and clip.get("weights") != MINI
    )


def _report(unknown: list[Path], problems: list[str]) -> None:
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        warn(f"{unknown[0]}{more}: no record (*{RECORD}) beside it; nobody can tell what it was made from")
    if problems:
        raise UserError("\n".join(map(printable, problems)))
