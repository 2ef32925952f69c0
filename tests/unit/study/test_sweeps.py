from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from csdn.study.sweeps import find_sweep
from helpers.result_tree import UNTRAINED, make_params


def weight(**values: float) -> dict[str, Any]:
    return {"encoder": {"weights": values}}


def sweep_of(tmp_path: Path, variants: dict[str, Any]):
    tables = {"sweep": {"caption": "x", "variants": list(variants)}}
    datasets = {"sysu_mm01": {"layout": "sysu_mm01"}}
    return find_sweep(make_params(tmp_path, variants=variants, tables=tables, datasets=datasets), "sweep", "sysu_mm01")


def test_variants_that_differ_in_one_number_are_a_sweep(tmp_path: Path):
    variants = {"csdn": {}, "low": weight(triplet=0.01), "high": weight(triplet=9), "baseline": UNTRAINED}
    sweep = sweep_of(tmp_path, variants)
    assert sweep is not None
    assert sweep.keys == ("encoder.weights.triplet",)
    assert sweep.values["low"] == 0.01
    assert set(sweep.values) == {"csdn", "low", "high"}


def test_numbers_that_move_together_are_one_setting(tmp_path: Path):
    variants = {str.format("w{}", n): weight(semantic_visible=n, semantic_infrared=n) for n in (1, 2, 3)}
    sweep = sweep_of(tmp_path, variants)
    assert sweep is not None
    assert sweep.name == "encoder.weights.semantic_infrared = semantic_visible"
    assert list(sweep.values.values()) == [1, 2, 3]


@pytest.mark.parametrize(
    "variants",
    [
        {"a": {}, "b": weight(triplet=9)},
        {"a": {}, "b": weight(triplet=9), "c": weight(triplet=8, identity=2)},
        {"a": {}, "b": {"encoder": {"text": "none"}}, "c": {"encoder": {"text": "permuted"}}},
        {"a": {}, "b": {}, "c": {}},
    ],
    ids=["two values", "two settings", "no numbers", "equal"],
)
def test_anything_else_is_none(tmp_path: Path, variants: dict[str, Any]):
    assert sweep_of(tmp_path, variants) is None


def test_the_components_are_no_sweep(tmp_path: Path):
    assert find_sweep(make_params(tmp_path), "components", "sysu_mm01") is None
