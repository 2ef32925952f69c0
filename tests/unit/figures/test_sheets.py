"""Sheets of images: marks, cameras and captions are where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from csdn.figures import sheets


def test_rank_lists_mark_right_and_wrong_without_colour_too():
    image = np.zeros((64, 32, 3), dtype=np.uint8)
    one = sheets.RankList(image, 3, 7, [image, image], [(1, 8), (2, 7)], 2)
    (axes,) = sheets.rank_lists([], [one]).axes
    words = [text.get_text() for text in axes.texts]
    assert "\N{CHECK MARK}" in words
    assert "\N{MULTIPLICATION X}" in words
    assert "first match: 2" in words
    assert len({patch.get_linestyle() for patch in axes.patches}) == 2
    assert len(axes.images) == 3


def test_contact_sheet_names_cameras_where_columns_agree():
    image = np.zeros((64, 32, 3), dtype=np.uint8)
    people = [
        sheets.Portraits("Identity 1", [(image, 1), (image, 2)], [(image, 3)], ["Visible: a man <b>"]),
        sheets.Portraits("Identity 2", [(image, 1), (image, 4)], [(image, 3)], []),
    ]
    (axes,) = sheets.contact_sheet(people).axes
    words = [text.get_text() for text in axes.texts]
    assert [word for word in words if word.startswith("cam")] == ["cam 1", "cam 3"]
    assert len(axes.images) == 6


def test_a_long_caption_pushes_the_next_person_down():
    image = np.zeros((64, 32, 3), dtype=np.uint8)

    def tops(captions):
        people = [
            sheets.Portraits(name, [(image, 1)], [(image, 3)], text) for name, text in (("A", captions), ("B", []))
        ]
        (axes,) = sheets.contact_sheet(people).axes
        return {text.get_text(): text.get_position()[1] for text in axes.texts}, axes.get_ylim()[0]

    (short, low), (long, lower) = tops(["A word."]), tops(["word " * 400])
    caption = next(text for text in long if text.startswith("word"))
    assert long["B"] - short["B"] == pytest.approx(lower - low)
    assert long["B"] > long[caption] + sheets.LINE * len(caption.splitlines())
    assert max(map(len, caption.splitlines())) * 0.06 < sheets.SHEET_WIDTH
