"""A step's subcommand: named after its function, with the options of every step, of its selection and of its own."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from csdn.cli import options
from csdn.cli.options import OutputOption, step_command


@pytest.fixture
def run(monkeypatch):
    """Runs a step of two options; what it and the settings were asked for."""
    asked = []
    app = typer.Typer()
    app.callback()(lambda: None)

    @step_command(app, "dataset", "seed")
    def fold_images(settings: Any, output: OutputOption, workers: Annotated[int, typer.Option(min=1)] = 2) -> None:
        """Fold them."""
        asked.append((settings, output, workers))

    monkeypatch.setattr(options, "settings_of", lambda step, *given, **selection: (step, *given, selection))

    def run(*words):
        app(["fold-images", *words], standalone_mode=False)
        return asked.pop()

    return run


def test_selection_goes_to_the_settings_and_the_rest_to_the_function(run):
    words = ["--params", "a", "--params", "b", "--set", "x=1", "--dataset", "regdb", "--seed", "7"]
    settings, output, workers = run(*words, "--output", "o", "--workers", "3")
    assert settings == ("fold_images", ["a", "b"], ["x=1"], {"dataset": "regdb", "seed": 7})
    assert (output, workers) == (Path("o"), 3)


def test_only_settings_and_what_has_no_default_must_be_given(run):
    settings, _, workers = run("--params", "a", "--output", "o")
    assert settings == ("fold_images", ["a"], None, {"dataset": None, "seed": None})
    assert workers == 2
    for words in (["--params", "a"], ["--output", "o"], ["--params", "a", "--output", "o", "--workers", "0"]):
        with pytest.raises(typer.BadParameter.__base__):
            run(*words)


def test_a_selection_that_the_step_does_not_have_is_no_option(run):
    with pytest.raises(typer.BadParameter.__base__, match="No such option"):
        run("--params", "a", "--output", "o", "--variant", "csdn")
