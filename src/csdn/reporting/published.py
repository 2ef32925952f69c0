"""Results published in papers, shown in a separate table and only with results on the same real dataset."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from csdn.config.base import PROTOCOLS, Layout, Strict

Known = Literal["yes", "no", "unknown"]
Percent = Field(gt=0, lt=100)

SETTINGS = {
    "sysu_mm01": {"sysu_all_single": "All search", "sysu_indoor_single": "Indoor search"},
    "regdb": {"regdb_visible_to_infrared": "Visible to infrared", "regdb_infrared_to_visible": "Infrared to visible"},
    "llcm": {"llcm_visible_to_infrared": "Visible to infrared", "llcm_infrared_to_visible": "Infrared to visible"},
}


class Published(Strict):
    """One row of published_figures.csv: Rank-1 and mAP in percent of a method under one protocol, and how they arose.

    Attributes:
        venue: of the method's paper, empty if it is not known.
        query: `image_text` gives the query a text, which is another task.
        reranked, test_tuned: whether similarities were re-ranked, and whether anything was chosen on the test set.
        first_hand: taken from the method's own paper or repository, not quoted by others.
        llcm_convention: which of LLCM's two conventions the figures follow (docs/protocols.md), `none` elsewhere.
    """

    method: str = Field(min_length=1)
    venue: str
    dataset: Layout
    protocol: str
    rank_1: float = Percent
    map: float = Percent
    supervision: Literal["supervised", "semi_supervised", "unsupervised"]
    query: Literal["image", "image_text"]
    reranked: Known
    test_tuned: Known
    first_hand: Known
    llcm_convention: Literal["ours", "authors_script", "unknown", "none"]
    source: str = Field(min_length=1)
    remark: str

    @field_validator("rank_1", "map", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return float(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _belongs_together(self) -> Published:
        if self.protocol not in PROTOCOLS[self.dataset]:
            raise ValueError(f"protocol: {self.protocol} is none of {self.dataset}")
        if (self.llcm_convention == "none") == (self.dataset == "llcm"):
            raise ValueError("llcm_convention: is for llcm, and only for it")
        return self

    @property
    def is_plain(self) -> bool:
        """Supervised, asked by an image, and, as far as is known, neither re-ranked nor tuned on the test set."""
        unusual = "yes" in (self.reranked, self.test_tuned) or self.llcm_convention == "authors_script"
        return self.supervision == "supervised" and self.query == "image" and not unusual

    @property
    def label(self) -> str:
        """The method's name, and what sets its figures apart from plain ones."""
        said = [self.supervision.replace("_", "-")] if self.supervision != "supervised" else []
        said += ["with text in the query"] if self.query == "image_text" else []
        said += ["re-ranked"] if self.reranked == "yes" else []
        said += ["tuned on the test set"] if self.test_tuned == "yes" else []
        said += ["by the script of LLCM's authors"] if self.llcm_convention == "authors_script" else []
        return ", ".join([self.method, *said])


@cache
def published_figures() -> tuple[Published, ...]:
    """All rows of the registry, in its order."""
    text = files("csdn.reporting").joinpath("published_figures.csv").read_text(encoding="utf-8")
    return tuple(Published.model_validate(row) for row in csv.DictReader(text.splitlines()))


def published_rows(layout: str) -> list[dict[str, Any]]:
    """Methods with a result under one of the layout's settings, plain ones first.

    Returns:
        For each method and source: `method` (its label), `source`, `remark`, and `figures`: (Rank-1, mAP) or None for
        each of the layout's settings.
    """
    shown = [row for row in published_figures() if row.dataset == layout and row.protocol in SETTINGS[layout]]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(shown, key=lambda row: not row.is_plain):
        found = rows.setdefault((row.label, row.source), {"figures": dict.fromkeys(SETTINGS[layout]), "remarks": []})
        found["figures"][row.protocol] = (row.rank_1, row.map)
        found["remarks"] += [row.remark] if row.remark and row.remark not in found["remarks"] else []
    return [
        {
            "method": label,
            "source": source,
            "remark": "; ".join(found["remarks"]),
            "figures": [*found["figures"].values()],
        }
        for (label, source), found in rows.items()
    ]
