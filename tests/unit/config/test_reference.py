"""The schema and the reference of params.yaml are those of the models."""

import json
from pathlib import Path

from csdn.config.params import Params
from csdn.config.reference import page, readme, schema

ROOT = Path(__file__).parents[3]


def test_the_schema_in_the_repository_is_that_of_the_models():
    path = ROOT / "workflow" / "schemas" / "params.schema.json"
    assert json.loads(path.read_text()) == schema(), "run `make schema`"


def test_the_page_in_the_repository_is_that_of_the_models():
    assert (ROOT / "docs" / "configuration.md").read_text() == page(), "run `make schema`"


def test_the_readme_of_the_configuration_is_that_of_the_models_and_files():
    text = (ROOT / "config" / "README.md").read_text()
    assert text == readme(ROOT / "config"), "run `make schema`"
    for path in (ROOT / "config").glob("*.yaml"):
        assert f"| `config/{path.name}` | " in text
    for name in Params.model_fields:
        assert f"| `{name}` | " in text
    assert "|  |" not in text, "a key or file without a meaning"


def test_every_key_has_a_row():
    text = page()
    for model in [schema(), *schema()["$defs"].values()]:
        for name in model["properties"]:
            assert f"`{name}`" in text or f"{name}.<name>`" in text or f"{name}`" in text, name
    assert "## `datasets.<name>`" in text
    assert "| `epochs` | whole number ≥ 1 | `60` |" in text
    assert "| `layout` | `sysu_mm01`, `regdb`, `llcm` | *required* |" in text
