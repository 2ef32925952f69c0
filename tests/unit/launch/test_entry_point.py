"""The command: done there where a resident process is named and answers, else here."""

import sys

import pytest

from csdn.cli import main as cli
from csdn.launch import entry_point
from csdn.launch.preloaded import VARIABLE


@pytest.mark.parametrize(
    ("named", "answer", "done"),
    [("", 5, ["here"]), ("socket", 5, ["there"]), ("socket", 0, ["there"]), ("socket", None, ["there", "here"])],
)
def test_a_command_is_done_once_by_whoever_can(monkeypatch, named, answer, done):
    asked = []

    def there(arguments):
        asked.append("there")
        assert arguments == ["show", "--json"]
        return answer

    def here():
        asked.append("here")
        sys.exit(7)

    monkeypatch.setenv(VARIABLE, named)
    monkeypatch.setattr(sys, "argv", ["csdn", "show", "--json"])
    monkeypatch.setattr(entry_point, "run_there", there)
    monkeypatch.setattr(cli, "main", here)
    with pytest.raises(SystemExit) as ended:
        entry_point.main()
    assert asked == done
    assert ended.value.code == (7 if done[-1] == "here" else answer)
