"""Which tables sweep a number: found from the settings alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from csdn.config.params import Params
from csdn.config.shared_keys import dump, flatten

LEAST = 3  # values: two are a comparison, which the table shows


@dataclass(frozen=True)
class Sweep:
    """Variants of a table that differ in one number, or in several that are equal in each of them.

    Attributes:
        keys: dotted names of the settings, e.g. ("encoder.weights.semantic_visible",).
        values: variant -> value, in the order of the table.
    """

    keys: tuple[str, ...]
    values: dict[str, float]

    @property
    def name(self) -> str:
        """The settings in words."""
        first = self.keys[0].rpartition(".")[0]
        short = [self.keys[0], *(key.removeprefix(f"{first}.") for key in self.keys[1:])]
        return " = ".join(short)


def find_sweep(params: Params, table: str, dataset: str) -> Sweep | None:
    """The largest sweep among the variants of a table that run on a dataset, or None.

    Variants that differ in anything else than the number (a baseline, say) are left out.
    """
    present = [name for name in params.tables[table].variants if name in params.variants_of(dataset)]
    flat = {name: dict(flatten(dump(params.variant(name)))) for name in present}
    best: Sweep | None = None
    for first in present:
        for second in present:
            keys = _differing_numbers(flat[first], flat[second])
            if not keys:
                continue
            values = {n: flat[n][keys[0]] for n in present if _on_the_line(flat[first], flat[n], keys)}
            if len(set(values.values())) >= LEAST and (best is None or len(values) > len(best.values)):
                best = Sweep(keys, values)
    return best


def _differing_numbers(one: dict[str, Any], other: dict[str, Any]) -> tuple[str, ...]:
    """Keys in which two variants differ, if all of them are numbers and equal among themselves in each variant."""
    keys = tuple(key for key in sorted(set(one) | set(other)) if one.get(key) != other.get(key))
    for values in (one, other):
        if any(not _is_number(values.get(key)) for key in keys) or len({values[key] for key in keys}) > 1:
            return ()
    return keys


def _on_the_line(one: dict[str, Any], other: dict[str, Any], keys: tuple[str, ...]) -> bool:
    return other == one or _differing_numbers(one, other) == keys


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
