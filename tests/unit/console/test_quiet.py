"""`csdn --quiet` leaves the names of the files written, and errors."""

import pytest

from csdn.cli.main import main
from csdn.console import quiet

SETTINGS = "describe-model --params params.yaml --dataset sysu_mm01 --variant csdn"


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code, *capsys.readouterr()


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setenv(quiet.VARIABLE, "")  # so that what main sets is undone


@pytest.mark.parametrize("place", [0, 1])
def test_only_the_file_is_named(capsys, tmp_path, place):
    output = str(tmp_path / "costs.json")
    words = [*SETTINGS.split(), "--output", output]
    words.insert(place, "--quiet")
    assert run(capsys, *words) == (0, f"{output}\n", "")


def test_what_was_asked_for_is_printed(capsys):
    assert run(capsys, "--quiet", *SETTINGS.split(), "--json")[1].startswith("{")
    assert "Example" in run(capsys, "--quiet", "show", "--help")[1]


def test_errors_stay(capsys, tmp_path):
    code, out, error = run(capsys, "--quiet", "show", str(tmp_path / "nothing"))
    assert (code, out) == (2, "")
    assert "nothing" in error


def test_inputs_and_what_was_not_written_are_not_named(capsys, monkeypatch, tmp_path):
    def run_index_images(settings, root, index, cache):
        cache.touch()

    monkeypatch.setattr("csdn.jobs.data.run_index_images", run_index_images)
    options = f"--params params.yaml --dataset regdb --root {tmp_path} --index {tmp_path}/index"
    code, out, _ = run(capsys, "--quiet", "index-images", *options.split(), f"--cache={tmp_path}/cache")
    assert (code, out) == (0, f"{tmp_path}/cache\n")
