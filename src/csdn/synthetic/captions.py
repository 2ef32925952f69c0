"""Captions of rendered people, and prompts for one attribute in the same words.

Pictures without colour, infrared ones among them, are called monochrome: the word under which the small CLIP meets
grey pictures in its training, and no name of a colour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from csdn.synthetic.attributes import ATTRIBUTES, COLOR_ATTRIBUTES

DROP = 0.25
"""Probability that a caption leaves one attribute out."""
MAX_WORDS = 27
"""Longest caption in words: with articles, hyphens and split words it stays below 40 CLIP tokens."""

_SILENT = {"plain": 0.4, "average": 0.4, "medium": 0.4, "none": 0.7}  # unremarkable values are often not mentioned
_SUBJECTS = ("person", "man", "woman")
_HAIR_STYLES = ("", "short", "long", "ponytail")
_PLURAL = ("trousers", "shorts")


def caption(attributes: Mapping[str, str], rng: np.random.Generator, *, colored: bool) -> str:
    """Describe a person in one sentence that omits random parts, and colours if the picture is not `colored`."""

    def said(name: str) -> str:
        value = attributes[name]
        if not colored and name in COLOR_ATTRIBUTES:
            return ""
        return "" if rng.uniform() < max(DROP, _SILENT.get(value, 0.0)) else value

    person = _joined(said("height"), said("build"), said("gender") or "person")
    hair = _hair(said("hair"), said("hair_color"))
    upper = _garment(said("upper_color"), said("upper_pattern"), said("upper"), "top")
    lower = _garment(said("lower_color"), said("lower_pattern"), said("lower"), "")
    others = (_worn("hat", said("hat")), _worn("scarf", said("scarf")), said("shoes"))
    worn = [text for text in (upper, lower, *others) if text]
    bag = _worn("bag", said("bag"))
    worn = [worn[i] for i in rng.permutation(len(worn))]
    while True:
        text = _sentence(person, hair, worn, bag, colored)
        if len(text.split()) <= MAX_WORDS or not worn:
            return text
        worn = worn[:-1]


def zero_shot_prompts(attribute: str, *, colored: bool = True) -> dict[str, list[str]]:
    """Sentences for each value of an attribute, worded as `caption` words them.

    Raises:
        ValueError: unknown attribute, or a colour of a picture that has none.
    """
    if attribute not in ATTRIBUTES:
        raise ValueError(f"unknown attribute {attribute!r}; known: {', '.join(ATTRIBUTES)}")
    if not colored and attribute in COLOR_ATTRIBUTES:
        raise ValueError(f"{attribute}: a picture without colour does not show it")
    write = _PROMPTS[attribute]
    return {value: [_sentence(*parts, colored) for parts in write(value)] for value in ATTRIBUTES[attribute]}


_Parts = tuple[str, str, list[str], str]


def _sentence(person: str, hair: str, worn: list[str], bag: str, colored: bool) -> str:
    opening = "a photo of" if colored else "a monochrome photo of"
    clothes = "wearing " + " and ".join(worn) if worn else ""
    return _joined(opening, _a(person), hair and "with " + hair, clothes, bag and "carrying " + bag) + "."


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)


def _a(noun: str) -> str:
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def _hair(style: str, color: str) -> str:
    if style == "bald":
        return "no hair"
    if style == "ponytail":
        return _a(_joined(color, "ponytail"))
    return _joined(style, color, "hair") if style or color else ""


def _garment(color: str, pattern: str, garment: str, unnamed: str) -> str:
    if not garment and not (unnamed and (color or pattern)):
        return ""
    text = _joined(color, pattern, garment or unnamed)
    return text if garment in _PLURAL else _a(text)


def _worn(kind: str, value: str) -> str:
    return f"no {kind}" if value == "none" else value and _a(value)


def _with_garments(name: str, write: Callable[[str, str], str]) -> Callable[[str], list[_Parts]]:
    return lambda value: [("person", "", [write(value, garment)], "") for garment in ATTRIBUTES[name]]


def _with_subjects(write: Callable[[str, str], _Parts]) -> Callable[[str], list[_Parts]]:
    return lambda value: [write(value, subject) for subject in _SUBJECTS]


_PROMPTS: dict[str, Callable[[str], list[_Parts]]] = {
    "gender": lambda value: [(_joined(build, value), "", [], "") for build in ("", "slim", "heavy", "tall", "short")],
    "build": _with_subjects(lambda value, subject: (f"{value} {subject}", "", [], "")),
    "height": _with_subjects(lambda value, subject: (f"{value} {subject}", "", [], "")),
    "hair": _with_subjects(lambda value, subject: (subject, _hair(value, ""), [], "")),
    "hat": _with_subjects(lambda value, subject: (subject, "", [_worn("hat", value)], "")),
    "upper": _with_subjects(lambda value, subject: (subject, "", [_garment("", "", value, "")], "")),
    "upper_pattern": _with_garments("upper", lambda value, garment: _garment("", value, garment, "")),
    "lower": _with_subjects(lambda value, subject: (subject, "", [_garment("", "", value, "")], "")),
    "lower_pattern": _with_garments("lower", lambda value, garment: _garment("", value, garment, "")),
    "shoes": _with_subjects(lambda value, subject: (subject, "", [value], "")),
    "bag": _with_subjects(lambda value, subject: (subject, "", [], _worn("bag", value))),
    "scarf": _with_subjects(lambda value, subject: (subject, "", [_worn("scarf", value)], "")),
    "hair_color": lambda color: [("person", _hair(style, color), [], "") for style in _HAIR_STYLES],
    "upper_color": _with_garments("upper", lambda value, garment: _garment(value, "", garment, "")),
    "lower_color": _with_garments("lower", lambda value, garment: _garment(value, "", garment, "")),
}
