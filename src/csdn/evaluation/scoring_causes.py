"""Causes of wrong numbers in what was scored, and how: a check for each, of what is known (`diagnosis` lists them)."""

from __future__ import annotations

from csdn.config.layouts import OFFICIAL_COUNTS, Modality
from csdn.evaluation.evidence import NOT_KNOWN, Evidence, Finding, official_images
from csdn.evaluation.protocols import find_protocol

PROTOCOL_OF_THE_SCRIPT = "authors"  # in the name of a protocol that follows the script of LLCM's authors


def direction(e: Evidence) -> Finding | None:
    """Queries are of the other modality than the protocol asks."""
    asked = find_protocol(e.protocol).query_modality
    other: Modality = "visible" if asked == "infrared" else "infrared"
    own_count, other_count = (official_images(e.layout, modality, "test") for modality in (asked, other))
    swapped = e.official and e.queries != own_count and e.queries in (other_count, _gallery_size(e.protocol))
    if e.query == other:
        evidence = f"the queries are {other} images"
    elif e.query is None and e.queries is not None and swapped:
        evidence = f"{e.queries:,} queries, the number of the gallery's side, not {own_count:,}"
    else:
        return None
    return Finding(
        "direction",
        f"{e.protocol} asks {asked} images, but {other} ones were asked",
        evidence,
        NOT_KNOWN,
        f"ask the {asked} images, or name the protocol of the other direction",
    )


def test_images(e: Evidence) -> Finding | None:
    """Queries or gallery are not those of the protocol."""
    expected = official_images(e.layout, find_protocol(e.protocol).query_modality, "test")
    gallery = _gallery_size(e.protocol)
    wrong = []
    if e.queries is not None and expected is not None and e.queries != expected:
        wrong.append(f"{e.queries:,} queries, not {expected:,}")
    if e.gallery_images is not None and gallery is not None and e.gallery_images != gallery:
        wrong.append(f"{e.gallery_images:,} gallery images, not {gallery:,}")
    if not wrong or direction(e):
        return None
    return Finding(
        "test images",
        "queries or gallery are not those of the protocol",
        "; ".join(wrong),
        NOT_KNOWN,
        "score all official test images (docs/protocols.md says which); `csdn score-features --root` chooses them",
    )


def same_place(e: Evidence) -> Finding | None:
    """Gallery images of camera 2 count for queries of camera 3, which stands at the same place."""
    if e.ignores_same_place:
        return None
    return Finding(
        "same place",
        "queries of camera 3 are answered with images of camera 2, at the same place",
        "ignores_same_place: false",
        NOT_KNOWN,
        "ignore images of camera 2 for queries of camera 3, as the dataset's protocol does",
    )


def split(e: Evidence) -> Finding | None:
    """The encoder was trained on another split than the one scored, so that test identities may be training ones."""
    if e.split == e.trained_split:
        return None
    return Finding(
        "split",
        "scored on another split than it was trained on, so test identities may have been trained on",
        f"trained on split {e.trained_split}, scored on split {e.split}",
        NOT_KNOWN,
        "score each split with the encoder that was trained on it; RegDB's result is the mean over its ten splits",
    )


def reranking(e: Evidence) -> Finding | None:
    """Similarities were re-ranked, whether the score file says so or not."""
    if not e.reranking:
        return None
    said = "the score file says so" if e.reranked else "but the score file says that they were not"
    return Finding(
        "re-ranking",
        "re-ranked" if e.reranked else "re-ranked without saying so",
        f"similarities were re-ranked; {said}",
        "IDKL on RegDB, visible to infrared: Rank-1 94.72 published with it; users report about 71 without "
        "(issue 4 of its repository)",
        "compare with re-ranked scores only, or score without re-ranking",
    )


def selection(e: Evidence) -> Finding | None:
    """The epoch was chosen on the test set, as the authors' code does."""
    if e.selection != "best_on_test":
        return None
    said = "the score file says so" if e.selected_on_test else "the score file does not say so"
    return Finding(
        "selection",
        "the epoch was chosen on the test set" + ("" if e.selected_on_test else " without saying so"),
        f"selection: best_on_test; {said}",
        NOT_KNOWN,
        "keep the last epoch, or the best on validation identities (encoder.selection), or compare with its like",
    )


def llcm_convention(e: Evidence) -> Finding | None:
    """Query and gallery are swapped for visible to infrared, as in the script of LLCM's authors."""
    if PROTOCOL_OF_THE_SCRIPT in e.protocol or not e.protocol.endswith("visible_to_infrared"):
        return None
    fewer = e.queries is not None and e.gallery_images is not None and e.queries < e.gallery_images
    if e.llcm_convention != "authors_script" and not fewer:
        return None
    return Finding(
        "LLCM direction",
        "sampled infrared images ask all visible ones, as in the script of the dataset's authors",
        f"{e.queries:,} queries, {e.gallery_images:,} gallery images" if fewer else "llcm_convention: authors_script",
        "DEEN, Rank-1 / mAP: 62.5 / 65.8 in a later paper's table (doi 10.1145/3767308.3836534), 69.21 / 55.52 in the "
        "README of the dataset's repository (its direction is inferred)",
        "ask all visible images, or name the convention and compare with figures of the same one (docs/protocols.md)",
    )


def _gallery_size(protocol: str) -> int | None:
    """Gallery images of a trial, where the official number is known: SYSU-MM01's 301."""
    if protocol != "sysu_all_single":
        return None
    return next(c.expected for c in OFFICIAL_COUNTS["sysu_mm01"] if c.of == "identities and cameras")
