"""Progress bars: where they are shown, and what they show."""

import re
from io import StringIO

import pytest
from rich.console import Console

from csdn.console import quiet
from csdn.console.progress import progress


@pytest.mark.parametrize("value", ["", "1"])
def test_no_progress(monkeypatch, value):
    monkeypatch.setenv(quiet.VARIABLE, value)
    shown = []
    monkeypatch.setattr("csdn.console.progress.Progress.start", lambda self: shown.append(not self.disable))
    monkeypatch.setattr("csdn.console.progress.Console", lambda stderr: Console(force_terminal=True, stderr=stderr))
    with progress("x", 1, "images"):
        pass
    assert shown == [not value]


def test_a_bar_counts_what_was_done_and_names_the_unit(monkeypatch):
    shown = StringIO()
    monkeypatch.setenv(quiet.VARIABLE, "")
    monkeypatch.setattr(
        "csdn.console.progress.Console", lambda stderr: Console(force_terminal=True, file=shown, width=120)
    )
    with progress("Rendering", 40, "images") as advance:
        advance(30)
        advance(10)
    assert "Rendering" in shown.getvalue()
    assert "40/40 images" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())


def test_a_log_gets_nothing(monkeypatch, capsys):
    monkeypatch.setenv(quiet.VARIABLE, "")
    with progress("Rendering", 2, "images") as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")
