"""Published figures: each row complete, none twice, and only plain ones first and unlabelled."""

import pytest
from pydantic import ValidationError

from csdn.reporting.published import SETTINGS, Published, published_figures, published_rows

ROW = published_figures()[0].model_dump()


def test_no_figure_is_told_twice():
    rows = published_figures()
    keys = {(row.method, row.protocol, row.llcm_convention, row.source) for row in rows}
    assert len(keys) == len(rows) > 50
    assert {row.protocol for row in rows} == {protocol for settings in SETTINGS.values() for protocol in settings}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "sysu_all_single"}, "is none of llcm"),
        ({"llcm_convention": "none"}, "is for llcm, and only for it"),
        ({"rank_1": "436"}, "less than 100"),
        ({"rank_1": "0.436 %"}, "could not convert"),
        ({"supervision": "weak"}, "semi_supervised"),
        ({"reranked": ""}, "unknown"),
        ({"source": ""}, "at least 1 character"),
        ({"note": "x"}, "Extra inputs"),
    ],
)
def test_a_row_that_breaks_the_schema_is_refused(change, message):
    assert Published.model_validate(ROW).dataset == "llcm"
    with pytest.raises(ValidationError, match=message):
        Published.model_validate(ROW | change)


def test_plain_methods_come_first_and_others_say_what_they_are():
    for layout in SETTINGS:
        names = [row["method"] for row in published_rows(layout)]
        labelled = ["," in name for name in names]
        assert labelled == sorted(labelled) and not all(labelled), layout
    names = {row["method"] for row in published_rows("sysu_mm01")}
    assert {"CSDN", "IDKL, re-ranked", "ADCA, unsupervised", "TVI-LFM, with text in the query"} <= names
    assert {"DEEN", "DEEN, by the script of LLCM's authors"} <= {row["method"] for row in published_rows("llcm")}


def test_a_method_is_one_row_with_a_place_for_each_setting():
    (row,) = [row for row in published_rows("sysu_mm01") if row["method"] == "CSDN"]
    assert row["figures"] == [(75.2, 71.8), (82.0, 85.0)]
    (row,) = [row for row in published_rows("sysu_mm01") if row["method"].startswith("CEIL, ")]
    assert row["figures"] == [(68.19, 63.68), None]
