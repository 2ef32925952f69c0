"""Checks what is known about a score file against the known causes of numbers that are too low or too high.

Known means: others have met it, or it follows from the authors' code (docs/method.md). An effect is told only where it
has a source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from csdn.config.base import Layout
from csdn.evaluation import scoring_causes, training_causes
from csdn.evaluation.evidence import Evidence, Finding


class Diagnosis(NamedTuple):
    """Findings, and the causes that could not be checked, with what would have to be known of each."""

    findings: list[Finding]
    unchecked: dict[str, tuple[str, ...]]


class Cause(NamedTuple):
    """A check, what it needs to know (all of it; its evidence fields), and where it applies."""

    check: Callable[[Evidence], Finding | None]
    needs: tuple[str, ...]
    layouts: tuple[Layout, ...] = ("sysu_mm01", "regdb", "llcm")
    official: bool = False  # only for the real dataset
    any_will_do: bool = False  # checked even where not all is known, for there is evidence of other kinds


CAUSES: dict[str, Cause] = {
    "training identities": Cause(training_causes.training_identities, ("identities",), official=True),
    "infrared images": Cause(training_causes.infrared_images, ("infrared_images",), official=True),
    "direction": Cause(scoring_causes.direction, ("queries",), any_will_do=True),
    "test images": Cause(scoring_causes.test_images, ("queries",), official=True),
    "same place": Cause(scoring_causes.same_place, ("ignores_same_place",), ("sysu_mm01",)),
    "split": Cause(scoring_causes.split, ("trained_split",)),
    "re-ranking": Cause(scoring_causes.reranking, ("reranking",)),
    "selection": Cause(scoring_causes.selection, ("selection",)),
    "LLCM direction": Cause(scoring_causes.llcm_convention, ("llcm_convention",), ("llcm",), any_will_do=True),
    "normalisation": Cause(training_causes.normalization, ("normalization", "released_code")),
    "activation": Cause(training_causes.activation, ("clip_model", "clip_weights")),
    "loss scale": Cause(training_causes.loss_scale, ("released_code", "distances", "triplet")),
    "image size": Cause(training_causes.image_size, ("image_size",), official=True),
    "mirrored image": Cause(training_causes.mirrored_image, ("mirrored",)),
}


def diagnose(evidence: Evidence) -> Diagnosis:
    """Check every cause that applies; one that needs to know more is not found innocent but named as unchecked."""
    findings: list[Finding] = []
    unchecked: dict[str, tuple[str, ...]] = {}
    for name, cause in CAUSES.items():
        if evidence.layout not in cause.layouts or (cause.official and not evidence.official):
            continue
        missing = tuple(key for key in cause.needs if getattr(evidence, key) is None)
        found = cause.check(evidence) if cause.any_will_do or not missing else None
        if found:
            findings.append(found)
        elif missing:
            unchecked[name] = missing
    return Diagnosis(findings, unchecked)
