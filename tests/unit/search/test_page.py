"""The page of answers: names cannot become markup, and a picture that cannot be read costs that picture only."""

import base64
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from csdn.search.page import HEIGHT, write_page

FOUND = {"rank": 1, "similarity": 0.98765, "path": "a.png"}


@pytest.fixture
def show(tmp_path):
    def show(found, root=None, note=""):
        (tmp_path / "query.png").unlink(missing_ok=True)
        Image.fromarray(np.zeros((300, 100, 3), np.uint8)).save(tmp_path / "query.png")
        write_page(tmp_path / "page.html", [{"query": str(tmp_path / "query.png"), "found": found}], root, note)
        return (tmp_path / "page.html").read_text()

    return show


def test_names_and_notes_are_text(show):
    page = show([FOUND | {"path": '<b onload="x">.png'}], note="<script>alert(1)</script>")
    assert "<b onload" not in page and "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_pictures_are_small_and_those_that_cannot_be_read_are_left_out(show, tmp_path):
    Image.fromarray(np.zeros((40, 20, 3), np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "damaged.png").write_bytes(b"x")
    answers = [FOUND, FOUND | {"rank": 2, "path": "damaged.png"}, FOUND | {"rank": 3, "path": "gone.png"}]
    page = show(answers, root=tmp_path)
    pictures = [base64.b64decode(text) for text in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)]
    assert [Image.open(BytesIO(picture)).size for picture in pictures] == [(HEIGHT // 3, HEIGHT), (20, 40)]
    assert "damaged.png" in page and "gone.png" in page


def test_without_the_gallerys_folder_names_are_shown_and_labels_only_where_known(show):
    page = show([FOUND, FOUND | {"rank": 2, "person_id": 7, "camera_id": 3}])
    assert page.count("<img") == 1  # the query
    assert page.count("0.988") == 2
    assert page.count("person 7, camera 3") == 1 and page.count("person ") == 1
