"""The section `tables` of params.yaml."""

from __future__ import annotations

from pydantic import Field

from csdn.config.base import Strict


class Table(Strict):
    """One table of the report: its variants in order, and the differences between them."""

    caption: str = Field(description="Heading of the table.")
    variants: list[str] = Field(min_length=1, description="Rows, in order.")
    differences: list[tuple[str, str]] = Field([], description="Pairs (a, b) whose difference a - b is reported.")
