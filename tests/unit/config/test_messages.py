"""Validation errors as lines: the key as it is written in YAML, what is wrong, and what was meant."""

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from csdn.config.base import Strict
from csdn.config.messages import did_you_mean, key_path, problems


class Inner(Strict):
    epochs: Annotated[int, Field(ge=1)] = 1
    kind: Literal["mean", "sum"] = "mean"


class Outer(Strict):
    inner: dict[Annotated[str, Field(pattern=r"^[a-z]+$")], Inner] = Field({})
    sizes: list[int] = Field([])
    name: str


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (("datasets", "regdb", "splits", 0), "datasets.regdb.splits[0]"),
        (("datasets", "A b", "[key]"), "datasets.A b"),
        ((), ""),
    ],
)
def test_a_key_is_written_as_in_an_override(parts, text):
    assert key_path(parts) == text


def test_the_nearest_name_is_suggested_or_all_are_named():
    assert did_you_mean("epoch", ["images", "epochs"]) == "did you mean `epochs`?"
    assert did_you_mean("xyz", (name for name in ("images", "epochs"))) == "known: images, epochs"


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "name: missing; give it a value"),
        ({"name": "a", "nam": 1}, "nam: unknown key; did you mean `name`?"),
        ({"name": "a", "inner": {"one": {"epoch": 1}}}, "inner.one.epoch: unknown key; did you mean `epochs`?"),
        ({"name": "a", "inner": {"one": {"epochs": 0}}}, "inner.one.epochs: must be greater than or equal to 1, not 0"),
        ({"name": "a", "inner": {"one": {"kind": "max"}}}, "inner.one.kind: must be 'mean' or 'sum', not 'max'"),
        ({"name": "a", "inner": {"A": {}}}, "inner.A: may contain only lower-case letters, digits and _, not 'A'"),
        (
            {"name": "a", "sizes": [1, "x" * 80]},
            f"sizes[1]: must be a valid integer, unable to parse string as an integer, not '{'x' * 56}...",
        ),
    ],
)
def test_a_problem_is_one_line_that_names_key_value_and_remedy(values, line):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(values)
    assert problems(caught.value.errors(), Outer) == [line]


def test_a_section_checked_on_its_own_is_named_from_the_top():
    with pytest.raises(ValidationError) as caught:
        Inner.model_validate({"epochs": 0})
    (line,) = problems(caught.value.errors(), Inner, "variants.csdn")
    assert line.startswith("variants.csdn.epochs: ")
