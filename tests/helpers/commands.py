"""What the command line hands to the job of a subcommand."""

import importlib
import inspect

import pytest

from csdn.cli.main import main


def handed(monkeypatch, job, *words, result=None):
    """The arguments by name with which `job`, such as `training.run_learn_prompts`, is called; it does nothing."""
    module, name = f"csdn.jobs.{job}".rsplit(".", 1)
    signature, calls = inspect.signature(getattr(importlib.import_module(module), name)), []

    def called(*arguments, **named):
        calls.append(signature.bind(*arguments, **named).arguments)
        return result

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(f"{module}.{name}", called)
        main([str(word) for word in words])
    assert ended.value.code == 0
    (arguments,) = calls
    return arguments


def own_files(*names):
    """Options with a file each, of its own name; and what a job should be handed for them."""
    return [word for name in names for word in (f"--{name}", f"{name}.x")], {name: f"{name}.x" for name in names}


def as_text(arguments):
    """Arguments but for the settings, with paths as text."""
    return {name: None if value is None else str(value) for name, value in arguments.items() if name != "settings"}
