"""The section `primary` of params.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from csdn.config.base import PROTOCOLS, Strict
from csdn.config.messages import did_you_mean

if TYPE_CHECKING:
    from csdn.config.params import Params

Contrasts = Annotated[list[tuple[str, str]], Field(min_length=1)]


class Primary(Strict):
    """The one question whose answer is tested: ordered contrasts over draws; everything else is descriptive."""

    dataset: str = Field(description="The dataset whose draws are the replicates.")
    protocol: str = Field(description="The protocol, named as its score files are.")
    metric: Literal["map"] = Field("map", description="What is compared.")
    level: Annotated[float, Field(gt=0.0, lt=0.5)] = Field(
        0.025, description="Family-wise level of each setting, and 1 minus the coverage of its intervals."
    )
    settings: dict[str, Contrasts] = Field(
        min_length=1,
        description="Contrasts [a, b] of each setting, in order: each is tested only if the one before was supported.",
    )

    @field_validator("settings", mode="before")
    @classmethod
    def _null_removes(cls, value: Any) -> Any:
        """Setting one to null is how a layer removes it, as with tables."""
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @property
    def variants(self) -> list[str]:
        """Variants of any contrast, in order."""
        return list(dict.fromkeys(name for pairs in self.settings.values() for pair in pairs for name in pair))


def problems_of_primary(params: Params) -> Iterator[str]:
    """One line for each thing that the primary question names and the settings do not have.

    Variants that do not run on the dataset, and a protocol by which it is not scored, are no fault: contrasts that lack
    scores get the verdict "not run".
    """
    primary = params.primary
    if primary is None:
        return
    if primary.dataset not in params.datasets:
        yield (
            f"primary.dataset: no dataset {primary.dataset!r}; {did_you_mean(primary.dataset, params.datasets)} "
            "(`primary: null` asks no question)"
        )
        return
    if params.datasets[primary.dataset].layout == "regdb":
        yield (
            f"primary.dataset: {primary.dataset} has the layout regdb, whose splits share their people and are no "
            "draws; name a dataset of another layout"
        )
    layout = params.datasets[primary.dataset].layout
    known = dict.fromkeys((*PROTOCOLS[layout], *params.scores_of(primary.dataset)))
    if primary.protocol not in known:
        yield (
            f"primary.protocol: {primary.dataset} has no protocol {primary.protocol!r}; "
            f"{did_you_mean(primary.protocol, known)}"
        )
    for name in primary.variants:
        if name not in params.variants:
            yield f"primary.settings: no variant {name!r}; {did_you_mean(name, params.variants)}"
    for setting, pairs in primary.settings.items():
        if len(set(map(frozenset, pairs))) < len(pairs) or any(a == b for a, b in pairs):
            yield f"primary.settings.{setting}: compares a pair twice, or a variant with itself; list each pair once"
