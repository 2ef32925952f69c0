"""The table of descriptions: what it takes from the histories, and what it leaves open."""

import numpy as np
import pandas as pd

from csdn.reporting.descriptions import description_cells, description_group


def encoder(semantic, **said):
    """A history of two epochs whose last row says something of the descriptions."""
    frame = pd.DataFrame(
        {"epoch": [0, 1], "semantic_visible": [5.0, semantic], "semantic_infrared": [5.0, 2 * semantic]}
    )
    return frame.assign(**{f"description_{name}": [np.nan, value] for name, value in said.items()})


def test_the_last_row_of_each_run_counts_once():
    said = {"cosine": 1.0, "chance": 5.768, "visible_before": 0.98, "infrared_before": 0.9}
    runs = [encoder(1.0, **said, visible_after=0.6, infrared_after=0.5)]
    runs.append(encoder(2.0, **said, visible_after=0.7, infrared_after=0.6))
    prompts = [pd.DataFrame({"epoch": [0, 1], "description_cosine": [0.1, value]}) for value in (0.984, 0.988)]
    assert description_cells("csdn", {"csdn": prompts}, {"csdn": runs}) == {
        "Variant": "csdn",
        "Cosine, prompts": "0.986",
        "Cosine, in training": "1.000",
        "Semantic loss": "1.50 / 3.00",
        "Guessing": "5.77",
        "Nearest to own, frozen": "98.0 / 90.0",
        "Nearest to own, trained": "65.0 / 55.0",
    }


def test_what_was_not_measured_is_a_dash():
    """A term of weight 0, a loss that does not choose among all identities, and a history from before this table."""
    runs = {"one": [pd.DataFrame({"epoch": [0], "semantic_visible": [1.0]})]}
    cells = description_cells("one", {"one": [pd.DataFrame({"epoch": [0]})]}, runs)
    dash = "\N{EN DASH}"
    assert list(cells.values()) == ["one", dash, dash, f"1.00 / {dash}", dash, f"{dash} / {dash}", f"{dash} / {dash}"]


def test_every_variant_with_descriptions_has_a_row(tree):
    group = description_group(tree.params, "sysu_mm01")
    assert [row["Variant"] for row in group["rows"]] == ["clip_vireid", "mspl", "csdn", "permuted_text"]
    assert {row["Nearest to own, frozen"] for row in group["rows"]} == {"98.0 / 90.0"}


def test_without_descriptions_there_is_no_table(tree):
    values = tree.params.model_dump()
    values["variants"] = {name: values["variants"][name] for name in ("clip_init", "baseline")}
    values["datasets"]["regdb"]["variants"] = ["baseline"]
    table = values["tables"]["components"] | {"variants": ["clip_init", "baseline"], "differences": []}
    params = type(tree.params).model_validate(values | {"tables": {"components": table}, "primary": None})
    assert description_group(params, "sysu_mm01") is None
