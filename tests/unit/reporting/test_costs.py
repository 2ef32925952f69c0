"""The table of costs as a reader sees it."""

import pytest

from csdn.reporting.costs import add_differences, cost_cells, cost_group, quantity, to_markdown

ROW = {
    "dataset": "sysu_mm01", "variant": "baseline", "runs": 2, "parameters": 39_800_000, "training_flops": 2e15,
    "training_seconds": 3600.0, "image_flops": 23_800_000_000, "activation_bytes": 9 * 2**30,
    "protocol": "sysu_all_single", "map_mean": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (999, "999"), (1_000, "1.0 k"), (39_796_673, "39.8 M"), (11.9e9, "11.9 G"), (2.5e15, "2.5 P")],
)
def test_quantities_have_a_prefix(value, text):
    assert quantity(value) == text


def test_each_row_tells_what_it_adds_to_the_row_above():
    more = ROW | {"variant": "csdn", "parameters": 51_000_000, "training_seconds": 3000.0, "map_mean": 0.517}
    first, second = map(cost_cells, add_differences([ROW, more]))
    assert first["Parameters"] == "39.8 M"
    assert second["Parameters"] == "51.0 M (+11.2 M)"
    assert second["Seconds"] == "3,000 (\N{MINUS SIGN}600)"
    assert second["Training FLOPs"] == "2.0 P (+0)"
    assert (first["mAP"], second["mAP"]) == ("50.0", "51.7 (+1.7)")
    assert second["Step memory"] == "9,216 MiB"


def test_a_variant_without_a_score_has_an_empty_cell():
    rows = add_differences([ROW, ROW | {"variant": "csdn", "map_mean": None}])
    assert cost_cells(rows[1])["mAP"] == ""
    assert cost_group(rows)["protocol"] == "mAP: All search, single-shot"
    lines = to_markdown(rows).splitlines()
    assert lines[2].startswith("| Dataset | Variant |")
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
