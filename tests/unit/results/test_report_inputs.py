"""What figures and page are made from: each missing or damaged file is named, with what writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from csdn.artifacts.files import write_csv, write_json, write_parquet, write_tensors
from csdn.config.params import Params
from csdn.errors import UserError
from csdn.results import report_inputs
from helpers.result_tree import make_params, write_images


@pytest.fixture
def params(tmp_path: Path) -> Params:
    return make_params(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "a.csv: is empty"), ("epoch\n1\n", "a.csv: no column 'loss'"), (None, "a.csv: no such file")],
)
def test_a_history_that_lacks_something_is_named(tmp_path: Path, text: str | None, message: str):
    if text is not None:
        (tmp_path / "a.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        report_inputs.read_csv(tmp_path / "a.csv", ("epoch", "loss"))


@pytest.mark.parametrize("content", [[], {}, {"rows": {}}])
def test_json_that_is_no_table_is_named(params: Params, content: object):
    write_json(Path(params.runtime.results) / "tables" / "components.json", content)
    with pytest.raises(UserError, match=r"components\.json: has no rows; write it again with compare-variants"):
        report_inputs.read_table(params, "components")


def test_histories_are_those_of_every_split_and_seed_in_order(params: Params):
    runs = Path(params.runtime.results) / "regdb"
    for variant in params.trained_variants_of("regdb"):
        for split in (1, 2):
            frame = pd.DataFrame({"epoch": [0], "loss": [split]})
            write_csv(runs / str(split) / "runs" / variant / "seed_0" / "history.csv", frame)
    found = report_inputs.encoder_histories(params, "regdb")
    assert list(found) == ["baseline", "csdn"]
    assert [int(history["loss"][0]) for history in found["csdn"]] == [1, 2]
    (runs / "2" / "runs" / "csdn" / "seed_0" / "history.csv").unlink()
    with pytest.raises(UserError, match=r"regdb/2/runs/csdn/seed_0/history\.csv: no such file"):
        report_inputs.encoder_histories(params, "regdb")


def test_only_what_was_rendered_has_captions_and_each_image_its_own(params: Params):
    index = write_images(params, "regdb", identities=2, training=1)
    annotations = Path(params.runtime.data) / "raw" / "regdb" / "annotations.parquet"
    write_parquet(annotations, pd.read_parquet(annotations).iloc[::-1])
    shown, cache = report_inputs.read_images(params, "regdb")
    assert list(shown["path"]) == list(index["path"]) and len(cache) == len(index)
    named = shown["caption"].str.extract(r"number (\d+) with a long coat, (\w+)")
    assert (named[0].astype(int) == shown["person_id"]).all() and (named[1] == shown["modality"]).all()
    real = params.datasets["regdb"].model_copy(update={"root": "/data"})
    elsewhere = params.model_copy(update={"datasets": params.datasets | {"regdb": real}})
    annotations.unlink()
    assert "caption" not in report_inputs.read_images(elsewhere, "regdb")[0]


def test_embeddings_without_a_tensor_are_named(params: Params):
    path = Path(params.runtime.results) / "regdb/1/runs/csdn/seed_0/embeddings.safetensors"
    write_tensors(path, {"features": np.zeros((1, 2))})
    with pytest.raises(UserError, match=r"embeddings\.safetensors: no tensor 'rows'; run the step"):
        report_inputs.read_embeddings(params, "regdb", "csdn")


def test_results_without_any_record_were_made_by_something_else(params: Params):
    folder = Path(params.runtime.results)
    write_json(folder / "a" / "b.json", {})
    with pytest.raises(UserError, match=r"no \*\.provenance\.json; results were not made by csdn"):
        report_inputs.read_provenance(params)
    write_json(folder / "a" / "b.json.provenance.json", {"code": "x"})
    assert report_inputs.read_provenance(params) == {"a/b.json.provenance.json": {"code": "x"}}
