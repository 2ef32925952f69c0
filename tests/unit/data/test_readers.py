"""One entry point to all layouts, and the official counts."""

import pytest

from csdn.data.readers import compare_counts, counts, read_records
from csdn.data.records import ImageRecord
from csdn.errors import UserError


def test_a_complete_copy_differs_in_nothing():
    counts = {"train": 395, "test": 96}
    records = [
        ImageRecord(f"{subset}/{person}", 1000 * (subset == "test") + person, 1 + person % 2, "visible", subset)
        for subset, count in counts.items()
        for person in range(count)
    ]
    records += [ImageRecord(f"v{i}", 0, 1, "visible", "train") for i in range(22258 - 395)]
    records += [ImageRecord(f"i{i}", 0, 3, "infrared", "train") for i in range(11909)]
    records += [ImageRecord(f"q{i}", 1000, 3, "infrared", "test") for i in range(3803)]
    records += [ImageRecord(f"g{i}", 1000 + i // 3, (4, 5, 9)[i % 3], "visible", "test") for i in range(301 - 96)]
    assert compare_counts(records, "sysu_mm01") == []


def test_another_split_or_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="split '2' does not exist in layout sysu_mm01"):
        read_records("sysu_mm01", tmp_path, "2")
    with pytest.raises(UserError, match="unknown layout 'market'; known: sysu_mm01, regdb, llcm"):
        read_records("market", tmp_path)


def test_images_identities_and_their_pairs_with_cameras_are_counted_of_the_subsets_and_modality_asked():
    seen = [(1, 1), (1, 1), (1, 2), (2, 1)]
    records = [ImageRecord(f"{n}", *labels, "visible", "test") for n, labels in enumerate(seen)]
    records += [ImageRecord("i", 3, 3, "infrared", "test"), ImageRecord("t", 1, 1, "visible", "train")]
    found = {name: count for name, count, _ in counts(records, "sysu_mm01")}
    assert found["test identities"] == 3
    assert found["query images"] == 1
    assert found["single-shot gallery images (all search)"] == 3
    assert (found["visible training images"], found["infrared training images"]) == (1, 0)
