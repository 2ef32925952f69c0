"""Published figures: complete, in percent, and each beside the protocol that it belongs to."""

from csdn.config.base import PROTOCOLS
from csdn.reporting.published import PUBLISHED, SETTINGS, published_rows


def test_every_figure_is_a_share_in_percent_of_a_protocol_that_is_shown():
    shown = {protocol for settings in SETTINGS.values() for protocol in settings}
    assert all(set(settings) <= set(PROTOCOLS[layout]) for layout, settings in SETTINGS.items())
    for row in PUBLISHED:
        assert row.figures and set(row.figures) <= shown, row.method
        assert all(1 < value < 100 for pair in row.figures.values() for value in pair), row.method


def test_a_method_is_shown_only_on_the_datasets_that_its_paper_has():
    assert [row.method for row in published_rows("llcm")] == ["CSDN"]
    assert "PartMix" in [row.method for row in published_rows("sysu_mm01")]
    assert "PartMix" not in [row.method for row in published_rows("regdb")]
