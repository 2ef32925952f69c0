"""Each training gets every file under the name of its option, and its own settings."""

import pytest

from helpers.commands import as_text, handed, own_files
from helpers.default_settings import text_of


@pytest.mark.parametrize(
    ("step", "job", "given", "left_out"),
    [
        ("pretrain_clip", "pretraining", ["annotations", "output"], {}),
        ("learn_prompts", "training", ["index", "cache", "clip", "output", "captions"], {}),
        ("learn_prompts", "training", ["index", "cache", "output"], {"clip": None, "captions": None}),
        ("fuse_semantics", "training", ["index", "cache", "clip", "prompts", "output"], {}),
        ("train_encoder", "training", ["index", "cache", "clip", "semantics", "output"], {}),
        ("train_encoder", "training", ["index", "cache", "output"], {"clip": None, "semantics": None}),
    ],
)
def test_every_file_is_what_its_option_says(monkeypatch, step, job, given, left_out):
    options, files = own_files(*given)
    words = [step.replace("_", "-"), "--params", text_of(step), *options]
    arguments = handed(monkeypatch, f"{job}.run_{step}", *words)
    assert as_text(arguments) == files | left_out
    assert arguments["settings"].text() == text_of(step)
