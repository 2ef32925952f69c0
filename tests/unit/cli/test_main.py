"""The command line: every step has its command, and wrong input is one line and exit code 2."""

import subprocess
import sys

import pytest
import typer

from csdn.cli.main import app, main
from csdn.steps.registry import STEP_VERSIONS


def fail(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code, capsys.readouterr().err.strip()


def test_every_step_has_its_command():
    names = {name.replace("-", "_") for name in typer.main.get_command(app).commands}
    assert names >= set(STEP_VERSIONS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train"], "No such command"),
        (["make-dataset", "--bogus"], "No such option"),
        (["make-dataset"], "Missing option"),
        (["make-dataset", "--params", "missing.yaml", "--output", "a"], "missing.yaml: no such file"),
        (["make-dataset", "--params", "{broken", "--output", "a"], "is not JSON"),
        (["make-dataset", "--params", '{"step":"other"}', "--output", "a"], "no step 'other'"),
        (["score-retrieval", "--output", "a"], "Missing option '--params'"),
        (["score-features", "--features", "a.npz", "--output", "a"], "Missing option '--protocol'"),
        (["score-features", "--features", "a.npz", "--protocol", "sysu", "--output", "a"], "sysu"),
    ],
)
def test_wrong_usage_is_one_line(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, error = fail(capsys, *arguments)
    assert code == 2
    assert words in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_old_spelling_of_score_features_works_and_says_the_new_one(capsys):
    options = ["--features", "a.npz", "--protocol", "sysu", "--output", "a"]
    code, error = fail(capsys, "score-retrieval", *options)
    warning = "csdn: warning: `csdn score-retrieval --features` is now `csdn score-features`\n"
    assert (code, error.removeprefix(warning)) == fail(capsys, "score-features", *options)
    assert error.startswith(warning)


def test_rendering_indexing_and_scoring_start_without_torch_or_mlflow():
    code = (
        "import sys; import csdn.cli.main, csdn.jobs.data, csdn.jobs.evaluation, csdn.synthetic.layouts;"
        "import csdn.evaluation.scoring, csdn.evaluation.foreign;"
        "print([name for name in ('torch', 'mlflow', 'open_clip') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
