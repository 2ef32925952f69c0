"""From scores to the rows of a table and the differences between its variants. Pure: no file is read or written.

Everything here describes the models that were trained. What decides anything is in `statistics.primary`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csdn.errors import UserError
from csdn.seeding import derive_seed
from csdn.statistics import paired_tests
from csdn.statistics.paired_tests import Array
from csdn.statistics.scores import MARKED_RANKS, METRICS, Scores

Row = dict[str, Any]
RunKey = tuple[str, int]  # split, seed
Pair = tuple[str, str]

COMPARED = {"map": "average_precision", "rank_1": "rank_1"}  # metrics of a difference, and their sums


@dataclass(frozen=True)
class Design:
    """What the settings say about the scores.

    Attributes:
        drawn: datasets whose splits are draws, each with people of its own; other splits share their people.
        training_identities: of each dataset, where known.
        untrained: variants that no training changes, so that runs say nothing about its spread.
    """

    drawn: Collection[str] = ()
    training_identities: Mapping[str, int] = field(default_factory=dict)
    untrained: Collection[str] = ()


@dataclass(frozen=True)
class Panel:
    """The scores of one dataset and protocol, which can be compared with each other.

    Attributes:
        runs: for each (variant, split, seed) its row of `Scores.runs`.
        identities: for each (variant, split, seed) the sums of `Scores.identities`, indexed like `people`.
        people: every test identity of the dataset: its person_id, or (split, person_id) where splits are draws.
        strata: (people,) number of the draw; all 0 where splits share their people.
        splits: every split.
        weights: (resamples, people) bootstrap weights, the same for all variants and protocols.
        drawn: whether splits are draws.
    """

    dataset: str
    protocol: str
    runs: dict[tuple[str, str, int], Row]
    identities: dict[tuple[str, str, int], pd.DataFrame]
    people: pd.Index
    strata: NDArray[np.int64]
    splits: list[str]
    weights: NDArray[np.int16]
    drawn: bool

    def runs_of(self, *variants: str) -> list[RunKey]:
        """Splits and seeds that all `variants` have, ascending: split 2 before split 10."""
        known = [{(split, seed) for name, split, seed in self.identities if name == variant} for variant in variants]
        return sorted(set.intersection(*known), key=lambda run: (len(run[0]), *run))

    def sums(self, variant: str, runs: Sequence[RunKey], column: str) -> Array:
        """(people, splits) sums of `column` over an identity's queries, averaged over the seeds of a split."""
        out = np.zeros((len(self.people), len(self.splits)))
        for j, split in enumerate(self.splits):
            frames = [self.identities[variant, *run][column] for run in runs if run[0] == split]
            if frames:
                table = pd.concat([f.reindex(self.people, fill_value=0.0) for f in frames], axis=1)
                out[:, j] = table.mean(axis=1)
        return out

    def differences(self, a: str, b: str) -> pd.DataFrame:
        """(common runs, people) differences of an identity's mean average precision; NaN where a run lacks it.

        Raises:
            UserError: a common run was scored on different queries in the two variants.
        """
        rows = {}
        for run in self.runs_of(a, b):
            first, second = self.identities[a, *run], self.identities[b, *run]
            if not first["queries"].equals(second["queries"]):
                where = f"{self.dataset}, {self.protocol}, split {run[0]}, seed {run[1]}"
                raise UserError(f"scores of {a} and {b} ({where}): different queries; score both again")
            difference = (first["average_precision"] - second["average_precision"]) / first["queries"]
            rows[run] = difference.reindex(self.people)
        return pd.DataFrame(rows).T

    def generator(self, *names: str) -> np.random.Generator:
        """Random numbers that depend only on what is tested, so that adding a variant does not change any p-value."""
        return np.random.default_rng(derive_seed(0, "statistics", self.dataset, self.protocol, *names))


def split_means(differences: pd.DataFrame) -> dict[str, float]:
    """One value a split from `Panel.differences`: the mean over its identities, averaged over its seeds."""
    means: dict[str, list[float]] = {}
    for split, mean in zip(differences.index.get_level_values(0), differences.mean(axis=1), strict=True):
        means.setdefault(split, []).append(float(mean))
    return {split: float(np.mean(values)) for split, values in means.items()}


def panels(scores: Scores, variants: Sequence[str], design: Design = Design()) -> Iterator[Panel]:
    """One panel for each dataset and protocol in which any of `variants` was scored, sorted."""
    runs = scores.runs[scores.runs["variant"].isin(variants)]
    rows = scores.identities[scores.identities["variant"].isin(variants)]
    for dataset, of_dataset in rows.groupby("dataset", sort=True):
        drawn = dataset in design.drawn
        columns = ["split", "person_id"] if drawn else ["person_id"]
        indexed = of_dataset.set_index(columns, drop=False)
        indexed.index = indexed.index.set_names([f"of_{name}" for name in columns])  # apart from the columns
        people = indexed.index.unique().sort_values()
        strata = pd.factorize(people.get_level_values(0))[0] if drawn else np.zeros(len(people), dtype=np.int64)
        generator = np.random.default_rng(derive_seed(0, "bootstrap", str(dataset)))
        weights = paired_tests.resampling_weights(strata, paired_tests.BOOTSTRAP_RESAMPLES, generator)
        for protocol, chosen in indexed.groupby("protocol", sort=True):
            own = runs[(runs["dataset"] == dataset) & (runs["protocol"] == protocol)]
            by_run = {
                (row["variant"], row["split"], row["seed"]): {str(name): value for name, value in row.items()}
                for row in own.to_dict("records")
            }
            of_run = chosen.groupby(["variant", "split", "seed"])
            identities = {key: of_run.get_group(key) for key in by_run}
            splits = sorted(chosen["split"].unique())
            yield Panel(str(dataset), str(protocol), by_run, identities, people, strata, splits, weights, drawn)


def compare_rows(scores: Scores, variants: Sequence[str], design: Design = Design()) -> list[Row]:
    """Rows of a table, sorted by dataset, protocol and the order of `variants`, without variants that did not run."""
    return [
        _row(panel, variant, variant not in design.untrained)
        for panel in panels(scores, variants, design)
        for variant in variants
        if panel.runs_of(variant)
    ]


def compare_pairs(
    scores: Scores,
    pairs: Sequence[Pair],
    design: Design = Design(),
    decided: Collection[tuple[str, str, frozenset[str]]] = (),
) -> list[Row]:
    """One row for each dataset, protocol and pair (a, b) with common runs: a - b.

    The intervals of a metric hold for all rows at once, for the models that were trained: max-T over identities.

    Args:
        scores: all scores.
        pairs: the differences.
        design: what the settings say about the scores.
        decided: (dataset, protocol, pair) that the primary question tests; they get no second p-value here.
    """
    rows: list[Row] = []
    errors: dict[str, list[Array]] = {metric: [] for metric in COMPARED}
    largest = {metric: np.zeros(paired_tests.BOOTSTRAP_RESAMPLES) for metric in COMPARED}
    for panel in panels(scores, list(dict.fromkeys(name for pair in pairs for name in pair)), design):
        common = [pair for pair in pairs if panel.runs_of(*pair)]
        for a, b in common:
            tested = (panel.dataset, panel.protocol, frozenset((a, b))) not in decided
            rows.append(_difference(panel, a, b, design.training_identities.get(panel.dataset), tested))
        for metric, column in COMPARED.items() if common else ():
            moves = np.stack([_moves(panel, *pair, column) for pair in common], axis=1)
            found, deviations = paired_tests.studentised(moves, panel.strata, panel.weights)
            errors[metric].append(found)
            largest[metric] = np.maximum(largest[metric], deviations)
    for metric in COMPARED if rows else ():
        factor = float(np.quantile(largest[metric], paired_tests.LEVEL))
        for row, error in zip(rows, np.concatenate(errors[metric]), strict=True):
            middle, half = row[f"{metric}_difference"], factor * float(error)
            row[f"{metric}_low"], row[f"{metric}_high"] = middle - half, middle + half
    return rows


def _difference(panel: Panel, a: str, b: str, training_identities: int | None, tested: bool) -> Row:
    runs, differences = panel.runs_of(a, b), panel.differences(a, b)
    per_identity = differences.mean(axis=0).dropna().to_numpy()
    row: Row = {"dataset": panel.dataset, "protocol": panel.protocol, "a": a, "b": b}
    row |= {"seeds": len({seed for _, seed in runs}), "splits": len({split for split, _ in runs})}
    row["identities"] = len(per_identity)
    for metric in COMPARED:
        values = _values(panel, a, runs, metric) - _values(panel, b, runs, metric)
        row[f"{metric}_difference"], row[f"{metric}_std"] = paired_tests.mean_and_std(values)
        row[f"{metric}_by_run"] = values.tolist()
    row |= {"p": None, "test": None}
    if tested and not panel.drawn and training_identities:
        sizes = differences.notna().sum(axis=1)
        by_split = list(split_means(differences).values())
        if found := paired_tests.resampled_test(by_split, float(sizes.mean()) / training_identities):
            return row | {"p": found.p, "test": "resampled_t"}
    if tested:
        row |= {"p": paired_tests.permutation_test(per_identity, panel.generator(a, b)), "test": "permutation"}
    return row


def _moves(panel: Panel, a: str, b: str, column: str) -> Array:
    runs = panel.runs_of(a, b)
    return paired_tests.influences(
        panel.sums(a, runs, column) - panel.sums(b, runs, column), panel.sums(a, runs, "queries")
    )


def _row(panel: Panel, variant: str, trained: bool) -> Row:
    runs = panel.runs_of(variant)
    row: Row = {"dataset": panel.dataset, "protocol": panel.protocol, "variant": variant}
    row["seeds"] = len({seed for _, seed in runs})
    for metric in METRICS:
        mean, std = paired_tests.mean_and_std(_values(panel, variant, runs, metric))
        row[f"{metric}_mean"], row[f"{metric}_std"] = mean, std if trained else None
    sums, counts = panel.sums(variant, runs, "average_precision"), panel.sums(variant, runs, "queries")
    row["map_low"], row["map_high"] = paired_tests.bootstrap_interval(sums, counts, panel.weights)
    row |= {"splits": len({split for split, _ in runs}), "identities": int((counts.sum(axis=1) > 0).sum())}
    row["runs"] = [
        {"split": split, "seed": seed} | {m: panel.runs[variant, split, seed][m] for m in METRICS}
        for split, seed in runs
    ]
    row["cmc"] = np.mean([panel.runs[variant, *run]["cmc"] for run in runs], axis=0).tolist()
    row["cmc_intervals"] = {}
    for rank in MARKED_RANKS:
        ends = paired_tests.bootstrap_interval(panel.sums(variant, runs, f"rank_{rank}"), counts, panel.weights)
        row["cmc_intervals"][str(rank)] = list(ends)
    return row


def _values(panel: Panel, variant: str, runs: Sequence[RunKey], metric: str) -> Array:
    return np.array([panel.runs[variant, *run][metric] for run in runs], dtype=np.float64)


def protocol_order(rows: Sequence[Row], protocols: Sequence[str]) -> list[str]:
    """Protocols of rows: in the order of `protocols`, then those with another gallery or re-ranking."""
    present = dict.fromkeys(row["protocol"] for row in rows)
    return [name for name in protocols if name in present] + sorted(name for name in present if name not in protocols)
