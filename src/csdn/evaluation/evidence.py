"""What is known of a score file, what can be found wrong with it, and the counts to compare with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from csdn.config.base import Layout
from csdn.config.layouts import OFFICIAL_COUNTS, Modality

NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Evidence:
    """What is known of a score file and of the training behind it; None where it is not known.

    Attributes:
        official: whether it is the real dataset, whose counts are known.
        queries, gallery_images: of a trial; query: modality of the queries.
        split, trained_split: that was scored, and that the encoder was trained on.
        identities, infrared_images: that were trained on.
        reranking: whether similarities were re-ranked; reranked: whether the score file says so.
        selection: how the epoch was chosen; selected_on_test: whether the score file says that it was on the test set.
        ignores_same_place: whether queries of camera 3 ignore images of camera 2 (SYSU-MM01).
        llcm_convention: `ours`, or `authors_script` with query and gallery swapped for visible to infrared.
        released_code: whether the run is to be the authors' code as it was released, with all that is odd in it.
        clip_weights: where CLIP's weights come from; a tag of open_clip, or a path.
        mirrored: whether the mirrored image is part of the descriptor.
        triplet: WRT, summed over the features whose mean raw distances `distances` has, at the end of the training.
        triplet_floor: WRT's `denominator_floor`; metric_features: `raw` or `unit`.
    """

    layout: Layout
    protocol: str
    split: str
    official: bool = True
    queries: int | None = None
    gallery_images: int | None = None
    query: Modality | None = None
    trained_split: str | None = None
    identities: int | None = None
    infrared_images: int | None = None
    reranking: bool | None = None
    reranked: bool = False
    selection: str | None = None
    selected_on_test: bool = False
    ignores_same_place: bool | None = None
    llcm_convention: str | None = None
    released_code: bool | None = None
    normalization: str | None = None
    clip_model: str | None = None
    clip_weights: str | None = None
    image_size: tuple[int, int] | None = None
    mirrored: bool | None = None
    triplet: float | None = None
    triplet_floor: float | None = None
    metric_features: str = "raw"
    distances: tuple[float, ...] | None = None


class Finding(NamedTuple):
    """What differs from a sound run, by which evidence, with which effect on the scores, and what to do."""

    cause: str
    what: str
    evidence: str
    effect: str
    remedy: str


def official_images(layout: Layout, modality: Modality, subset: str) -> int | None:
    """Images of a modality in the complete dataset; None if that is not known."""
    counts = [
        count.expected
        for count in OFFICIAL_COUNTS[layout]
        if count.of == "images" and count.modality == modality and subset in count.subsets
    ]
    return counts[0] if counts else None
