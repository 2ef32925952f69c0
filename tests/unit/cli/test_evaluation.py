"""What uses an encoder gets every file under the name of its option, and re-ranks only where it is told to."""

import pytest

from csdn.jobs import diagnosis, evaluation
from csdn.steps.selection import Selection
from helpers.commands import as_text, handed, own_files
from helpers.default_settings import ROOT, text_of
from helpers.refusals import refused


@pytest.fixture(autouse=True)
def printed(monkeypatch):
    """The results that were printed."""
    shown = []
    monkeypatch.setattr(evaluation, "print_scores", shown.append)
    return shown


@pytest.mark.parametrize(
    ("step", "job", "given", "left_out"),
    [
        ("embed_images", "evaluation", ["index", "cache", "encoder", "output"], {}),
        ("explain_model", "explanation", ["index", "cache", "encoder", "output", "clip", "semantics"], {}),
        ("explain_model", "explanation", ["index", "cache", "encoder", "output"], {"clip": None, "semantics": None}),
        ("score_retrieval", "evaluation", ["index", "embeddings", "output", "permutations"], {}),
    ],
)
def test_every_file_is_what_its_option_says(monkeypatch, step, job, given, left_out):
    options, files = own_files(*given)
    arguments = handed(monkeypatch, f"{job}.run_{step}", step.replace("_", "-"), "--params", text_of(step), *options)
    assert as_text(arguments) == files | left_out


def test_features_are_re_ranked_only_where_that_is_asked_for(monkeypatch, printed):
    words = ["score-features", "--features", "a.npz", "--protocol", "sysu_all_single", "--output", "o"]
    job = "evaluation.run_score_features"
    assert handed(monkeypatch, job, *words, "--k1", 5, "--lambda", 0.5, result="scores")["reranking"] is None
    assert printed == ["scores"]
    arguments = handed(monkeypatch, job, *words, "--rerank", "--k1", 5, "--lambda", 0.5, "--trials", 3)
    assert arguments["reranking"] == {"k1": 5, "k2": 6, "original_weight": 0.5}
    assert (arguments["trials"], arguments["gallery"], arguments["similarity"]) == (3, "agw", "inner")


RUN = ["--params", ROOT / "params.yaml", "--dataset", "sysu_mm01", "--split", "1", "--variant", "csdn", "--seed", 3]


def test_a_run_or_a_score_file_is_diagnosed(monkeypatch):
    monkeypatch.setattr(diagnosis, "print_diagnosis", lambda result: None)
    params, selection = handed(monkeypatch, "diagnosis.run_diagnose", "diagnose", *RUN, result={}).values()
    assert "csdn" in params.variants and selection == Selection("sysu_mm01", "1", "csdn", 3)
    words = ["diagnose", "--scores", "s.json", "--settings", "k.yaml"]
    assert as_text(handed(monkeypatch, "diagnosis.run_diagnose_scores", *words, result={})) == {"scores": "s.json"}


@pytest.mark.parametrize("words", [[], ["--scores", "s.json"], ["--settings", "k.yaml", *RUN]])
def test_a_diagnosis_is_of_a_run_or_of_a_score_file(capsys, words):
    assert refused(capsys, "diagnose", *words).startswith("--params: give this and a run's options, or --scores and")
