"""What is told of the machine and the code, and what where the system does not tell."""

import platform
import subprocess
from pathlib import Path

import pytest

from csdn.artifacts import machine


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")])
def test_code_outside_of_a_repository_has_no_revision(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert machine.revision.__wrapped__() is None


def test_the_processor_is_the_first_model_named_or_the_architecture(monkeypatch):
    told = "processor\t: 0\nmodel name\t: Example 9: fast\nflags\t: a\n\nmodel name\t: Other\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: told)
    assert machine.processor() == "Example 9: fast"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Features: fp asimd\n")  # as on ARM
    assert machine.processor() == platform.machine()


def test_a_package_that_is_not_installed_has_no_version():
    assert machine.installed("no-such-package") is None
    assert machine.installed("numpy").split(".")[0].isdigit()
