"""The record beside a result names what it came from."""

import json

import pandas as pd
import pytest

from csdn.artifacts import digests, records
from csdn.artifacts import files as artifacts


def test_provenance_names_settings_inputs_and_versions(tmp_path):
    source = tmp_path / "in.csv"
    artifacts.write_csv(source, pd.DataFrame({"a": [1]}))
    artifacts.write_json(tmp_path / "out.json", {})
    records.write_provenance(tmp_path / "out.json", {"step": "x", "seed": 3}, {"data": source})
    record = json.loads((tmp_path / "out.json.provenance.json").read_text())
    assert record["parameters"] == {"step": "x", "seed": 3}
    assert record["inputs"]["data"]["sha256"] == digests.sha256(source)
    assert record["outputs"] == {"out.json": digests.sha256(tmp_path / "out.json")}
    assert record["packages"]["torch"]


@pytest.fixture
def record_of(tmp_path):
    def write(*arguments, **options):
        records.write_provenance(tmp_path / "out", *arguments, **options)
        return json.loads((tmp_path / "out.provenance.json").read_text())

    (tmp_path / "out").write_text("out")
    return write


def test_an_input_that_was_read_already_is_not_read_again(record_of, tmp_path):
    known = {"gone": "0" * 64, "of no input": "1" * 64}
    record = record_of({}, {"gone": tmp_path / "gone", "here": tmp_path / "out"}, digests=known)
    assert record["inputs"] == {
        "gone": {"path": (tmp_path / "gone").as_posix(), "sha256": "0" * 64},
        "here": {"path": (tmp_path / "out").as_posix(), "sha256": digests.sha256(tmp_path / "out")},
    }


def test_what_lies_beside_belongs_to_the_result_and_the_device_is_told_only_where_one_computed(record_of, tmp_path):
    (tmp_path / "history.csv").write_text("epoch\n")
    assert "compute" not in record_of({}, {})
    record = record_of({}, {}, beside=[tmp_path / "history.csv"], compute={"device": "cpu"})
    assert record["outputs"] == {name: digests.sha256(tmp_path / name) for name in ("out", "history.csv")}
    assert record["compute"] == {"device": "cpu"}


def test_equal_results_have_equal_records(record_of, tmp_path):
    one, other = (record_of({"seed": 1}, dict.fromkeys(order, tmp_path / "out")) for order in ("ab", "ba"))
    assert one == other
    assert list(one["inputs"]) == list(other["inputs"]) == ["a", "b"]
