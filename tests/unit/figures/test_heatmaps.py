"""Heat maps over images."""

from __future__ import annotations

import numpy as np

from csdn.figures import heatmaps


def test_heat_is_brightest_where_the_map_is_largest():
    grey = np.full((64, 32, 3), 128, dtype=np.uint8)
    heat = np.zeros((4, 2), dtype=np.float32)
    heat[3, 1] = 5
    shown = heatmaps.overlay(grey, heat).astype(int)
    assert shown.shape == (128, 64, 3)
    assert shown[-1, -1, 1] > shown[0, 0, 1] + 80  # viridis: its green rises all the way
    assert (heatmaps.overlay(grey, np.zeros((4, 2), dtype=np.float32)) == shown[0, 0]).all()


def test_every_person_is_shown_in_both_modalities_with_every_map():
    image = np.zeros((64, 32, 3), dtype=np.uint8)
    looked = heatmaps.Looked(image, [np.ones((4, 2), dtype=np.float32)] * 3)
    (axes,) = heatmaps.map_sheet([("Identity 1", looked, looked), ("Identity 2", looked, looked)]).axes
    assert len(axes.images) == 2 * 2 * len(heatmaps.COLUMNS)
    assert {"Visible", "Infrared", "Identity 2"} <= {text.get_text() for text in axes.texts}
