"""Identical image files: the same image in two subsets means that test images are trained on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pandas as pd


def groups_of_equal(digests: Sequence[str]) -> list[list[int]]:
    """Groups of two or more rows whose image files are identical, in the order of their first row."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        rows[digest].append(row)
    return [group for group in rows.values() if len(group) > 1]


def across_subsets(index: pd.DataFrame, digests: Sequence[str], splits: Sequence[str]) -> Iterator[str]:
    """One line for each group of identical files in different subsets of a split.

    Args:
        index: one row an image, with the columns path and subset_<split>.
        digests: SHA-256 of each row's file.
        splits: names of the splits.
    """
    paths = index["path"].tolist()
    subsets = {split: index[f"subset_{split}"].tolist() for split in splits}
    for group in groups_of_equal(digests):
        for split, subset in subsets.items():
            first = {subset[row]: row for row in reversed(group) if subset[row]}
            if len(first) > 1:
                named = " and ".join(f"{paths[row]} ({name})" for name, row in sorted(first.items()))
                yield f"{named} are the same image; delete the one that is wrong (split {split})"
                break


def across_identities(index: pd.DataFrame, digests: Sequence[str], splits: Sequence[str]) -> Iterator[str]:
    """One line for each group of identical files labelled as different persons within a subset."""
    paths, persons = index["path"].tolist(), index["person_id"].tolist()
    subset = index[[f"subset_{split}" for split in splits]].to_numpy()
    for group in groups_of_equal(digests):
        same = [row for row in group if (subset[row] == subset[group[0]]).all()]
        other = next((row for row in same if persons[row] != persons[same[0]]), None)
        if other is not None:
            named = " and ".join(f"{paths[row]} (identity {persons[row]})" for row in (same[0], other))
            yield f"{named} are the same image"
