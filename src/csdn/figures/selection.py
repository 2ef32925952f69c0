"""Which images a sheet shows: drawn at random with a fixed seed, never chosen by hand. Pure."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csdn.config.layouts import MODALITIES
from csdn.figures.retrieval import Retrieval
from csdn.figures.sheets import Portraits, RankList
from csdn.seeding import derive_seed

PEOPLE, IMAGES, LISTS, LENGTH = 6, 4, 3, 10


def portraits(index: pd.DataFrame, cache: np.ndarray, split: str, seed: int = 0) -> list[Portraits]:
    """Random test identities of a split with up to IMAGES images of each modality, spread over the cameras.

    Args:
        index: the dataset's index, with a column `caption` if there are captions.
        cache: (N, H, W, 3) uint8, row i = index row i.
        split: whose test identities.
        seed: of the choice.
    """
    test = index[index[f"subset_{split}"] == "test"]
    both = test.groupby("person_id")["modality"].nunique()
    generator = np.random.default_rng(derive_seed(seed, "portraits", split))
    candidates = both[both == 2].index.to_numpy()
    chosen = np.sort(generator.choice(candidates, min(PEOPLE, len(candidates)), replace=False))
    return [_portrait(test[test["person_id"] == person], cache, int(person)) for person in chosen]


def first_matches(persons: NDArray[np.int64], task: Retrieval) -> NDArray[np.int64]:
    """(queries,) rank, from 1, of the first image of each query's person, or 0; `persons` (N,) are the index's."""
    hits = [persons[task.order(q)] == persons[row] for q, row in enumerate(task.query)]
    return np.array([1 + hit.argmax() if hit.any() else 0 for hit in hits], dtype=np.int64)


def ranked(
    index: pd.DataFrame, cache: np.ndarray, task: Retrieval, seed: int = 0
) -> tuple[list[RankList], list[RankList]]:
    """Rank lists of random queries, found and missed at rank 1, each of another identity where possible.

    Args:
        index: the dataset's index.
        cache: (N, H, W, 3) uint8, row i = index row i.
        task: what is ranked.
        seed: of the choice.
    """
    persons, cameras = index["person_id"].to_numpy(), index["camera_id"].to_numpy()
    first = first_matches(persons, task)
    generator = np.random.default_rng(derive_seed(seed, "rank lists"))
    groups = []
    for candidates in (np.flatnonzero(first == 1), np.flatnonzero(first > 1)):
        lists = []
        for q in _one_a_person(generator.permutation(candidates), persons[task.query])[:LISTS]:
            shown, row = task.order(q)[:LENGTH], task.query[q]
            labels = [(int(cameras[i]), int(persons[i])) for i in shown]
            query, images = np.asarray(cache[row]), [np.asarray(cache[i]) for i in shown]
            lists.append(RankList(query, int(cameras[row]), int(persons[row]), images, labels, int(first[q])))
        groups.append(lists)
    return groups[0], groups[1]


def _portrait(images: pd.DataFrame, cache: np.ndarray, person: int) -> Portraits:
    sides, captions = [], []
    for modality in MODALITIES:
        rows = _spread_over_cameras(images[images["modality"] == modality])
        pairs = zip(rows.index.to_numpy(), rows["camera_id"], strict=True)
        sides.append([(np.asarray(cache[row]), int(camera)) for row, camera in pairs])
        if "caption" in rows and rows["caption"].notna().any():
            captions.append(f"{modality.capitalize()}: {rows['caption'].dropna().iloc[0]}")
    return Portraits(f"Identity {person}", sides[0], sides[1], captions)


def _spread_over_cameras(images: pd.DataFrame) -> pd.DataFrame:
    """Up to IMAGES rows, taken in turn from each camera and sorted by camera."""
    turn = images.groupby("camera_id").cumcount()
    first = images.assign(turn=turn).sort_values(["turn", "camera_id"], kind="stable").head(IMAGES)
    return first.sort_values("camera_id", kind="stable")


def _one_a_person(candidates: NDArray[np.int64], persons: NDArray[np.int64]) -> list[int]:
    """Candidates whose person has not occurred before, then the others."""
    _, first = np.unique(persons[candidates], return_index=True)
    return [*candidates[np.sort(first)].tolist(), *np.delete(candidates, first).tolist()]
