"""Label files as people have them: what does no harm is read, all else is told with file and line."""

from pathlib import Path

import pytest

from csdn.data.layout_files import (
    Labelled,
    check_labels,
    first_few,
    first_problem,
    identity_of_folder,
    list_images,
    read_identities,
    read_labels,
    require,
    require_images,
)


@pytest.fixture
def read(tmp_path):
    """What a function reads from a text, and what it says of it, without the folder."""

    def read(function, text):
        problems = []
        (tmp_path / "list.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        return function(tmp_path / "list.txt", problems), [line.removeprefix(f"{tmp_path}/") for line in problems]

    return read


@pytest.mark.parametrize("text", ["3,1,12\n", "\ufeff3, 1 ,12,\r\n", "12\r3\r1\r", "1,1,3 12,3"])
def test_identities_may_be_separated_in_any_way(read, text):
    assert read(read_identities, text) == ([1, 3, 12], [])


def test_what_is_no_identity_is_told_and_the_others_are_read(read):
    found, problems = read(read_identities, "1,0\n2,x,\u0663\n1234567890\n")
    assert found == [1, 2]
    assert [line.split(" is not")[0] for line in problems] == [
        "list.txt:1: '0'",
        "list.txt:2: 'x'",
        "list.txt:2: '\u0663'",  # a digit of another script
        "list.txt:3: '1234567890'",
    ]


def test_paths_may_have_blanks_and_backslashes_and_start_here(read):
    found, problems = read(read_labels, "./a b/1.jpg 0\n\nc\\2.jpg\t 1 \r\n")
    assert [(row.path, row.label) for row in found] == [("a b/1.jpg", 0), ("c/2.jpg", 1)]
    assert [row.where.rpartition(":")[2] for row in found] == ["1", "3"]
    assert problems == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a/1.jpg", "expected `path label` but found 'a/1.jpg'"),
        ("a/1.jpg -1", "expected `path label`"),
        ("/a/1.jpg 0", "is an absolute path"),
        ("C:\\a\\1.jpg 0", "is an absolute path"),
        ("a/../../1.jpg 0", "leads out of the dataset"),
        ("a/\x07.jpg 0", "has characters that cannot be printed"),
        ("./ok/1.jpg 5", "repeats 'ok/1.jpg' of line 1"),
    ],
)
def test_a_line_that_names_no_image_of_its_own_is_told(read, line, message):
    found, (problem,) = read(read_labels, f"ok/1.jpg 0\n{line}\n")
    assert [row.path for row in found] == ["ok/1.jpg"]
    assert problem.startswith("list.txt:2: ") and message in problem


def test_an_empty_list_and_one_that_is_no_text_are_told(read):
    assert read(read_labels, "\n")[1] == [
        "list.txt: lists no image; copy the dataset's label files again (see docs/data.md)"
    ]
    assert read(read_labels, b"\xff\xfe")[1] == ["list.txt: is not UTF-8 text; copy the dataset's label files again"]


def test_images_are_listed_as_text_without_hidden_and_other_files(tmp_path):
    for name in ("10.jpg", "2.PNG", ".3.jpg", "Thumbs.db", "4.jpg.txt", "\u2028.jpg"):
        (tmp_path / name).touch()
    problems = []
    assert list_images(tmp_path, problems) == ["10.jpg", "2.PNG"]
    assert len(problems) == 1 and "is not a UTF-8 name" in problems[0]
    assert list_images(tmp_path / "none", []) == []


def test_the_identity_of_an_image_is_its_folder():
    problems = []
    assert identity_of_folder(Labelled("train/0012/1.jpg", 0, "l:1"), problems) == 12
    assert identity_of_folder(Labelled("1.jpg", 0, "l:2"), problems) is None
    assert identity_of_folder(Labelled("7/cam1/1.jpg", 0, "l:3"), problems) is None
    assert [line[:4] for line in problems] == ["l:2:", "l:3:"]


def test_each_contradiction_of_labels_and_folders_is_told_once():
    pairs = [(1, 0), (2, 1), (2, 1), (3, 0), (3, 0), (4, 3), (4, 4), (4, 4)]
    problems = []
    check_labels(((folder, Labelled("x", label, f"l:{n}")) for n, (folder, label) in enumerate(pairs)), problems)
    assert [line.partition(";")[0] for line in problems] == [
        "l:3: label 0 is used for folders 1 and 3",
        "l:6: folder 4 has labels 3 and 4",
    ]


def test_all_that_a_folder_lacks_is_one_problem(tmp_path):
    (tmp_path / "cam1").mkdir()
    problems = []
    assert require(tmp_path, ["cam1", "cam2"], ["exp/a.txt"], "SYSU-MM01", problems)
    assert problems == [f"{tmp_path}: missing cam2/, exp/a.txt; expected SYSU-MM01 (see docs/data.md)"]
    assert not require(tmp_path / "none", ["cam1"], [], "SYSU-MM01", problems)


def test_missing_images_are_counted_and_the_first_is_named(tmp_path):
    (tmp_path / "1.jpg").touch()
    rows = [Labelled(f"{n}.jpg", 0, f"list.txt:{n}") for n in (1, 2, 3)]
    problems = []
    require_images(tmp_path, rows, Path("list.txt"), problems)
    assert problems == [f"list.txt: 2 of 3 images are missing, first {tmp_path}/2.jpg (line 2); unpack again"]


def test_many_are_told_as_a_few():
    assert (first_few([1, 2]), first_few([1, 2, 3, 4, 5, 6])) == ("1, 2", "1, 2, 3, 4, 5, ...")
    assert first_problem(["a"]) == "a"
    assert first_problem(["a", "b", "c"]).startswith("a (and 2 more: ")
