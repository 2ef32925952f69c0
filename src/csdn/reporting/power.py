"""Power of a study over draws: what its test would find and how often it errs, simulated from the scores of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from csdn.config.params import Params
from csdn.errors import UserError
from csdn.results.scores import find_score_files, read_scores
from csdn.seeding import derive_seed
from csdn.statistics.comparison import Design, panels
from csdn.statistics.paired_tests import Array, detectable_difference
from csdn.statistics.power import (
    STUDIES,
    Components,
    family_wise_rate,
    rates,
    simulated_values,
    variance_components,
)
from csdn.study.labels import protocol_label

ALPHA = 0.05  # of a contrast that is not part of the primary question


class Measured(NamedTuple):
    """What the scores say about a contrast, and its setting in the primary question, if it is part of it."""

    dataset: str
    protocol: str
    setting: str | None
    a: str
    b: str
    components: Components
    seeds: int
    identities: int
    alpha: float


def simulate_power(
    results: Path,
    params: Params,
    draws: Sequence[int],
    difference: float = 0.01,
    identities: int | None = None,
    seeds: int | None = None,
    power: float = 0.8,
) -> dict[str, Any]:
    """Simulated studies with the components of variance of each contrast: of the primary question, or of the tables.

    Args:
        results: folder with score files.
        params: settings that name the contrasts.
        draws: numbers of draws of the simulated studies.
        difference: true difference in mAP (fraction) whose power is simulated.
        identities: test identities of a draw; by default those of the scores.
        seeds: trainings of a draw; by default those of the scores.
        power: share of studies that find the detectable difference.

    Returns:
        JSON-ready `contrasts`, a row for each contrast and number of draws, and `studies`, a row for each number of
        draws with the family-wise rate of false `supported`; empty without a primary question.

    Raises:
        UserError: no contrast has scores of two draws.
    """
    contrasts: list[dict[str, Any]] = []
    settings: dict[int, dict[str, list[Array]]] = {number: {} for number in sorted(draws)}
    for found in _measured(results, params):
        found = found._replace(identities=identities or found.identities, seeds=seeds or found.seeds)
        for number in settings:
            row, values = _simulated(found, number, difference, power)
            contrasts.append(row)
            if found.setting is not None:
                settings[number].setdefault(found.setting, []).append(values)
    if not contrasts:
        raise UserError(f"{results}: no contrast has scores of both variants in two draws; name draws as splits")
    studies = [
        {"draws": number, "family_wise": family_wise_rate(list(simulated.values()), params.primary.level)}
        for number, simulated in settings.items()
        if params.primary
    ]
    return {"contrasts": contrasts, "studies": studies}


def _simulated(found: Measured, draws: int, difference: float, power: float) -> tuple[dict[str, Any], Array]:
    """The row of a contrast for a number of draws, and the values of its simulated studies without a difference."""
    size = {"identities": found.identities, "seeds": found.seeds}
    row = {key: getattr(found, key) for key in ("dataset", "protocol", "setting", "a", "b")} | size
    row |= {f"{name}_std": value**0.5 for name, value in found.components._asdict().items()}
    generator = np.random.default_rng(derive_seed(0, "power", *map(str, found[:5]), draws))
    values = simulated_values(found.components, draws, **size, studies=STUDIES, generator=generator)
    std = found.components.of_a_draw(**size) ** 0.5
    row |= {"draws": draws, "detectable": detectable_difference(std, draws, found.alpha, power)}
    return row | rates(values, difference, found.alpha)._asdict(), values


def _measured(results: Path, params: Params) -> Iterator[Measured]:
    """Contrasts with scores of two draws or more."""
    files = find_score_files(results)
    asked = params.primary
    of_tables = dict.fromkeys(pair for table in params.tables.values() for pair in table.differences)
    named = list(asked.settings.items()) if asked else [(None, list(of_tables))]
    variants = sorted({name for _, pairs in named for pair in pairs for name in pair})
    design = Design(drawn=[name for name, dataset in params.datasets.items() if dataset.has_draws])
    for panel in panels(read_scores(files), variants, design) if files else ():
        if not panel.drawn or (asked and (panel.dataset, panel.protocol) != (asked.dataset, asked.protocol)):
            continue
        for setting, pairs in named:
            for a, b in (pair for pair in pairs if panel.runs_of(*pair)):
                differences = panel.differences(a, b)
                if (components := variance_components(differences)) is not None:
                    draws = differences.index.get_level_values(0).nunique()
                    size = round(len(differences) / draws), round(int(differences.notna().any().sum()) / draws)
                    alpha = asked.level if asked else ALPHA
                    yield Measured(panel.dataset, panel.protocol, setting, a, b, components, *size, alpha)


def print_power(found: dict[str, Any], difference: float, power: float) -> None:
    """Print what `simulate_power` found, in points of mAP and percent of studies."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    places = dict.fromkeys((row["dataset"], row["protocol"], row["setting"]) for row in found["contrasts"])
    for place in places:
        title = f"{place[0]}: {protocol_label(place[1])}" + (f", {place[2]}" if place[2] else "")
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
        for heading in ("Contrast", "Draws", "Detectable", "Power", "False", "Coverage"):
            table.add_column(heading, justify="left" if heading == "Contrast" else "right", no_wrap=True)
        for row in found["contrasts"]:
            if (row["dataset"], row["protocol"], row["setting"]) == place:
                smallest = "-" if row["detectable"] is None else f"{100 * row['detectable']:.2f}"
                shares = [f"{row[name]:.1%}" for name in ("power", "false_positives", "coverage")]
                table.add_row(f"{row['a']} - {row['b']}", str(row["draws"]), smallest, *shares)
        console.print(table)
    for row in found["studies"]:
        console.print(f"{row['draws']} draws: any contrast falsely supported in {row['family_wise']:.1%} of studies.")
    console.print(f"Detectable: points of mAP that the test finds in {power:.0%} of studies. Power: share of")
    console.print(f"studies that find {100 * difference:g} points. False: p below 0.05 without a difference.")
    console.print("Coverage: of 95% intervals over draws.")
