"""Searching, exporting and planning: what is asked is what the options say."""

from pathlib import Path

import pytest

from csdn.cli.main import main
from csdn.jobs import search as jobs
from csdn.jobs import study
from helpers.commands import handed
from helpers.default_settings import ROOT

ANSWER = {"answers": [], "root": None, "note": ""}


def test_a_search_is_what_its_options_say(monkeypatch):
    monkeypatch.setattr(jobs, "print_answers", lambda result: None)
    words = [
        "search",
        "--encoder",
        "e",
        "--gallery",
        "g",
        "--query",
        "q",
        "--query",
        "r",
        "--query-modality",
        "infrared",
    ]
    words += ["--modality", "visible", "--index", "i", "--root", "o", "--kind", "hnsw", "--store", "s", "--top", 3]
    arguments = handed(monkeypatch, "search.run_search", *words, "--threads", 4, result=ANSWER)
    asked, *others = arguments.values()
    assert asked == jobs.Search(
        [Path("q"), Path("r")], "infrared", Path("g"), "visible", Path("i"), Path("o"), "hnsw", Path("s"), 3
    )
    assert [str(value) for value in others] == ["e", "auto", "4"]


@pytest.mark.parametrize(("option", "flip"), [([], True), (["--no-flip"], False)])
def test_a_program_describes_the_mirrored_image_too_unless_told_otherwise(monkeypatch, option, flip):
    words = ["export", "--encoder", "e", "--output", "o", *option]
    assert [*map(str, handed(monkeypatch, "search.run_export", *words).values())] == ["e", "o", str(flip)]


def test_a_study_is_planned_for_the_clusters_named(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "print_study", lambda result: None)
    words = ["plan-study", "--params", ROOT / "params.yaml", "--gpus", "1, 8", "--seconds", "train_encoder=9"]
    _, seconds, records, _, gpus, cpus = handed(monkeypatch, "study.run_plan_study", *words).values()
    assert (seconds, gpus, cpus) == (["train_encoder=9"], [1, 8], 4)
    assert not records.is_absolute()  # of the run in this folder


@pytest.mark.parametrize("gpus", ["0", "1,,8", "many", "-1", "1.5"])
def test_sizes_that_are_no_numbers_of_gpus_are_told(capsys, gpus):
    with pytest.raises(SystemExit) as ended:
        main(["plan-study", "--params", "absent.yaml", f"--gpus={gpus}"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"csdn: --gpus {gpus}: give numbers of one or more, such as 1,8,64\n"
