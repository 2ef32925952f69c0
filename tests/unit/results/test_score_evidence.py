"""What a score file of another method and its settings say, and what is one line instead."""

import json
import re

import pandas as pd
import pytest
import yaml

from csdn.errors import UserError
from csdn.evaluation.diagnosis import CAUSES
from csdn.evaluation.evidence import Evidence
from csdn.results.score_evidence import ForeignSettings, foreign_evidence
from helpers.default_settings import ROOT

SCORES = {"protocol": "regdb_visible_to_infrared", "split": "2", "queries": 2060, "reranked": False}


@pytest.fixture
def write(tmp_path):
    """Writes a score file and its settings; returns both paths."""

    def files(scores=SCORES, settings=None, paths=()):
        places = tmp_path / "scores.json", tmp_path / "known.yaml"
        places[0].write_text(json.dumps(scores))
        places[1].write_text(yaml.safe_dump(settings or {"identities": 206}))
        if paths:
            pd.DataFrame({"query_path": paths, "camera_id": 3}).to_parquet(tmp_path / "scores.parquet")
        return places

    return files


def test_settings_complete_what_the_score_file_says(write):
    found = foreign_evidence(*write(settings={"identities": 395, "trained_split": "1", "distances": [20, 9]}))
    assert found == Evidence(
        layout="regdb",
        protocol="regdb_visible_to_infrared",
        split="2",
        queries=2060,
        identities=395,
        trained_split="1",
        distances=(20.0, 9.0),
    )
    assert set(ForeignSettings.model_fields) <= set(Evidence.__dataclass_fields__)


def test_labels_of_the_score_file_count_whatever_the_settings_say(write):
    said = SCORES | {"reranked": True, "selected_on_test": True}
    found = foreign_evidence(*write(said, {"reranking": False, "selection": "last"}))
    assert (found.reranking, found.reranked) == (True, True)
    assert (found.selection, found.selected_on_test) == ("best_on_test", True)


@pytest.mark.parametrize(
    ("protocol", "paths", "modality"),
    [
        ("regdb_visible_to_infrared", ["Thermal/1/a.bmp", "Thermal/2/b.bmp"], "infrared"),
        ("regdb_visible_to_infrared", ["Visible/1/a.bmp"], "visible"),
        ("regdb_visible_to_infrared", ["Visible/1/a.bmp", "Thermal/2/b.bmp"], None),
        ("llcm_visible_to_infrared", ["test_nir/cam1/0001/a.jpg"], "infrared"),
        ("sysu_all_single", [""], "infrared"),  # of camera 3
    ],
)
def test_the_table_of_queries_tells_their_modality(write, protocol, paths, modality):
    assert foreign_evidence(*write(SCORES | {"protocol": protocol}, paths=paths)).query == modality


@pytest.mark.parametrize(
    ("scores", "settings", "line"),
    [
        ({"protocol": "x"}, None, "scores.json: no key 'split'; give a score file"),
        ([], None, "scores.json: no key 'protocol'"),
        (SCORES | {"queries": "many"}, None, "scores.json: queries is many, not a number"),
        (SCORES | {"protocol": "market"}, None, "market"),
        (SCORES, {"identites": 206}, "known.yaml: identites: unknown key; did you mean `identities`?"),
        (SCORES, {"selection": "best"}, "known.yaml: selection: "),
    ],
)
def test_malformed_files_are_one_line(write, scores, settings, line):
    with pytest.raises(UserError) as caught:
        foreign_evidence(*write(scores, settings))
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_the_page_lists_every_cause_and_every_key_with_a_value_that_is_accepted():
    page = (ROOT / "docs" / "diagnosis.md").read_text()
    assert re.findall(r"^\| ([^|]+) \| .* \|$", page, re.M)[1:] == list(CAUSES)
    example = re.findall(r"^    (\w+: .*)$", page, re.M)
    found = ForeignSettings.model_validate(yaml.safe_load("\n".join(example)))
    assert set(found.model_fields_set) == set(ForeignSettings.model_fields)
