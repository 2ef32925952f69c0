"""Rendering and indexing: what is missing is named, and a check writes nothing."""

import pytest

from csdn.cli.main import main
from helpers.commands import as_text, handed, own_files
from helpers.default_settings import text_of


def test_every_file_is_what_its_option_says(monkeypatch):
    options, files = own_files("root", "index", "cache")
    arguments = handed(
        monkeypatch, "data.run_index_images", "index-images", "--params", text_of("index_images"), *options
    )
    assert as_text(arguments) == files
    words = ["make-dataset", "--params", text_of("make_dataset"), "--output", "o", "--workers", 3]
    assert as_text(handed(monkeypatch, "data.run_make_dataset", *words)) == {"output": "o", "workers": "3"}


@pytest.mark.parametrize("given", [[], ["cache"], ["root", "index"]])
def test_files_that_indexing_lacks_are_named_at_once(capsys, given):
    with pytest.raises(SystemExit) as ended:
        main(["index-images", "--params", text_of("index_images"), *own_files(*given)[0]])
    assert ended.value.code == 2
    lacking = ", ".join(f"--{name}" for name in ("root", "index", "cache") if name not in given)
    assert capsys.readouterr().err == f"csdn: index-images: {lacking} missing; give them, or --check\n"


def test_a_check_needs_none_of_them(monkeypatch):
    words = ["index-images", "--check", "--params", "a.yaml", "--params", "b.yaml", "--dataset", "regdb"]
    assert list(handed(monkeypatch, "check.run_check", *words).values()) == [
        ["a.yaml", "b.yaml"],
        [],
        "regdb",
        None,
        None,
    ]
