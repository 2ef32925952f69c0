"""Records beside results: what is noticed when a result is used, as an error or as a warning."""

import json
from pathlib import Path

import pytest

from csdn.artifacts.files import write_json
from csdn.artifacts.records import RECORD, write_provenance
from csdn.errors import UserError
from csdn.steps.input_checks import check_inputs, check_results
from csdn.steps.registry import STEP_VERSIONS

STEP = {"step": "train_encoder", "version": STEP_VERSIONS["train_encoder"], "seed": 0, "clip": {"model": "mini"}}


@pytest.fixture
def files(tmp_path):
    """An index, semantics made from it, each with its record."""
    index, semantics = tmp_path / "index.json", tmp_path / "semantics.json"
    write_json(index, [1])
    write_provenance(index, {"step": "index_images", "version": STEP_VERSIONS["index_images"]}, {})
    write_json(semantics, [2])
    write_provenance(semantics, STEP, {"index": index})
    return {"index": index, "semantics": semantics}


def lines(step, files):
    with pytest.raises(UserError) as caught:
        check_inputs(step, files)
    return str(caught.value).splitlines()


def change(path, **sections):
    record = Path(f"{path}{RECORD}")
    write_json(record, json.loads(record.read_text()) | sections)


def test_what_fits_passes_without_a_word(files, capsys):
    check_inputs(STEP, files | {"clip": None})
    check_inputs({"seed": 0, "epochs": 9}, files)
    check_results(files.values())
    assert capsys.readouterr().err == ""


def test_an_edited_file_is_told_once_and_not_what_came_from_it(files):
    write_json(files["index"], [3])
    (line,) = lines(STEP, files)
    assert line == (
        f"{files['index']}: was changed after it was written; delete index.json and run `csdn index-images` again "
        "(`scripts/snake` does)"
    )
    with pytest.raises(UserError, match="was changed"):
        check_results(files.values())


def test_what_lies_beside_a_result_belongs_to_it(files):
    table = files["semantics"].with_suffix(".csv")
    table.write_text("a\n")
    write_provenance(files["semantics"], STEP, {"index": files["index"]}, beside=[table])
    table.unlink()
    assert "semantics.csv: is missing" in lines(STEP, files)[0]


def test_another_input_under_the_same_name_is_an_error(files):
    write_json(files["index"], [3])
    write_provenance(files["index"], {}, {})
    (line,) = lines(STEP, files)
    assert "semantics.json: was made with another index than the one given" in line


@pytest.mark.parametrize(
    ("step", "words"),
    [({"seed": 1}, "seed 0, not 1"), ({"clip": {"model": "RN50"}}, "clip.model 'mini', not 'RN50'")],
)
def test_other_settings_are_an_error(files, step, words):
    (line,) = lines(STEP | step, files)
    assert f"was made with {words}" in line


def test_only_settings_that_steps_share_are_compared(files):
    check_inputs(STEP | {"clip": {"model": "mini", "weights": "mini"}, "epochs": 3}, files)


def test_another_version_of_the_step_is_an_error_and_of_the_package_a_warning(files, capsys):
    change(files["semantics"], packages={"csdn": "0.0.0"})
    check_inputs(STEP, files)
    assert "semantics.json: was made by csdn 0.0.0, this is" in capsys.readouterr().err
    change(files["semantics"], parameters=STEP | {"version": -1})
    (line,) = lines(STEP, files)
    assert "was made by version -1 of train_encoder, whose meaning has changed since" in line


def test_a_file_without_a_record_is_a_warning(files, capsys):
    for path in files.values():
        Path(f"{path}{RECORD}").unlink()
    check_inputs(STEP, files)
    warning = capsys.readouterr().err
    assert warning.startswith("csdn: warning: ")
    assert "index.json and 1 more: no record" in warning
    assert len(warning.splitlines()) == 1


def test_a_users_own_weights_need_no_record(tmp_path, capsys):
    weights = tmp_path / "RN50.pt"
    weights.write_bytes(b"x")
    check_inputs({"clip": {"weights": str(weights)}}, {"clip": weights})
    assert capsys.readouterr().err == ""
    check_inputs({"clip": {"weights": "mini"}}, {"clip": weights})
    assert "no record" in capsys.readouterr().err


def test_all_problems_are_told_at_once(files):
    change(files["index"], parameters={"step": "index_images", "version": -1})
    assert len(lines(STEP | {"seed": 5}, files)) == 2
