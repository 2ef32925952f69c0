"""From scores to the rows of a table and the differences between its variants. Pure: no file is read or written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from csdn.errors import UserError
from csdn.seeding import derive_seed
from csdn.statistics import paired_tests
from csdn.statistics.scores import MARKED_RANKS, METRICS, Scores

Row = dict[str, Any]
RunKey = tuple[str, int]  # split, seed


@dataclass(frozen=True)
class Panel:
    """The scores of one dataset and protocol, which can be compared with each other.

    Attributes:
        runs: for each (variant, split, seed) its row of `Scores.runs`.
        identities: for each (variant, split, seed) the sums of `Scores.identities`, indexed by person_id.
        person_ids: (identities,) every test identity of any split, ascending.
        splits: every split, ascending.
        weights: (resamples, identities) bootstrap weights, the same for all variants.
    """

    dataset: str
    protocol: str
    runs: dict[tuple[str, str, int], Row]
    identities: dict[tuple[str, str, int], pd.DataFrame]
    person_ids: NDArray[np.int64]
    splits: list[str]
    weights: NDArray[np.int64]

    def runs_of(self, variant: str) -> list[RunKey]:
        """Splits and seeds of a variant, ascending."""
        return sorted((split, seed) for name, split, seed in self.identities if name == variant)

    def sums(self, variant: str, runs: Sequence[RunKey], column: str) -> NDArray[np.float64]:
        """(identities, splits) sums of `column` over an identity's queries, averaged over the seeds of a split."""
        out = np.zeros((len(self.person_ids), len(self.splits)))
        for j, split in enumerate(self.splits):
            frames = [self.identities[variant, *run][column] for run in runs if run[0] == split]
            if frames:
                table = pd.concat([f.reindex(self.person_ids, fill_value=0.0) for f in frames], axis=1)
                out[:, j] = table.mean(axis=1)
        return out

    def generator(self, *names: str) -> np.random.Generator:
        """Random numbers that depend only on what is tested, so that adding a variant does not change any p-value."""
        return np.random.default_rng(derive_seed(0, "statistics", self.dataset, self.protocol, *names))


def panels(scores: Scores, variants: Sequence[str]) -> Iterator[Panel]:
    """One panel for each dataset and protocol in which any of `variants` was scored, sorted."""
    chosen = scores.runs[scores.runs["variant"].isin(variants)]
    for (dataset, protocol), runs in chosen.groupby(["dataset", "protocol"], sort=True):
        rows = scores.identities
        rows = rows[(rows["dataset"] == dataset) & (rows["protocol"] == protocol) & rows["variant"].isin(variants)]
        by_run: dict[tuple[str, str, int], Row] = {}
        for row in runs.to_dict("records"):
            by_run[row["variant"], row["split"], row["seed"]] = {str(name): value for name, value in row.items()}
        of_run = rows.set_index("person_id").groupby(["variant", "split", "seed"])
        identities = {key: of_run.get_group(key) for key in by_run}
        person_ids = np.unique(rows["person_id"].to_numpy())
        generator = np.random.default_rng(derive_seed(0, "bootstrap", str(dataset), str(protocol)))
        weights = paired_tests.resampling_weights(len(person_ids), paired_tests.BOOTSTRAP_RESAMPLES, generator)
        splits = sorted(rows["split"].unique())
        yield Panel(str(dataset), str(protocol), by_run, identities, person_ids, splits, weights)


def compare_rows(scores: Scores, variants: Sequence[str]) -> list[Row]:
    """Rows of a table, sorted by dataset, protocol and the order of `variants`, without variants that did not run.

    Each row except a protocol's first has the permutation test against the row above, Holm-corrected over all rows.
    """
    rows: list[Row] = []
    for panel in panels(scores, variants):
        present = [name for name in variants if panel.runs_of(name)]
        for above, variant in zip([None, *present], present, strict=False):
            row = _row(panel, variant)
            test = paired_comparison(panel, variant, above) if above else None
            row |= {"above": above, "difference_above": test and test["map_difference"]}
            row["p_above"] = test and test["p_permutation"]
            rows.append(row)
    for row, p in zip(rows, paired_tests.holm([row["p_above"] for row in rows]), strict=True):
        row["p_above"] = p
    return rows


def compare_pairs(scores: Scores, pairs: Sequence[tuple[str, str]]) -> list[Row]:
    """One row for each dataset, protocol and pair (a, b) with common runs: a - b, with its spread and tests.

    The p-values ending in `_holm` are corrected over all rows of the table.
    """
    variants = list(dict.fromkeys(name for pair in pairs for name in pair))
    compared = (paired_comparison(panel, a, b) for panel in panels(scores, variants) for a, b in pairs)
    rows = [row for row in compared if row is not None]
    for test in ("p_permutation", "p_wilcoxon"):
        for row, p in zip(rows, paired_tests.holm([row[test] for row in rows]), strict=True):
            row[f"{test}_holm"] = p
    return rows


def paired_comparison(panel: Panel, a: str, b: str) -> Row | None:
    """Variant `a` minus variant `b` over the splits and seeds that they have in common; None if there are none.

    Raises:
        UserError: a common run was scored on different identities in the two variants.
    """
    runs = [run for run in panel.runs_of(a) if run in panel.runs_of(b)]
    if not runs:
        return None
    by_run = identity_differences(panel, a, b, runs)
    per_identity = by_run.mean(axis=0).dropna().to_numpy()
    row: Row = {"dataset": panel.dataset, "protocol": panel.protocol, "a": a, "b": b}
    row |= {"seeds": len({seed for _, seed in runs}), "splits": len({split for split, _ in runs})}
    for metric, column in (("map", "average_precision"), ("rank_1", "rank_1")):
        values = _values(panel, a, runs, metric) - _values(panel, b, runs, metric)
        row[f"{metric}_difference"], row[f"{metric}_std"] = paired_tests.mean_and_std(values)
        sums = panel.sums(a, runs, column) - panel.sums(b, runs, column)
        interval = paired_tests.bootstrap_interval(sums, panel.sums(a, runs, "queries"), panel.weights)
        row[f"{metric}_low"], row[f"{metric}_high"] = interval
        row[f"{metric}_by_run"] = values.tolist()
    row["identities"] = len(per_identity)
    row["p_permutation"] = paired_tests.permutation_test(per_identity, panel.generator(a, b))
    row["p_wilcoxon"] = paired_tests.wilcoxon_test(per_identity)
    row["p_seeds"] = paired_tests.crossed_test(by_run.to_numpy()) if row["splits"] == 1 else None
    row["effect_size"] = paired_tests.effect_size(per_identity)
    row["detectable"] = paired_tests.detectable_difference(per_identity)
    return row


def _row(panel: Panel, variant: str) -> Row:
    runs = panel.runs_of(variant)
    row: Row = {"dataset": panel.dataset, "protocol": panel.protocol, "variant": variant}
    row["seeds"] = len({seed for _, seed in runs})
    for metric in METRICS:
        row[f"{metric}_mean"], row[f"{metric}_std"] = paired_tests.mean_and_std(_values(panel, variant, runs, metric))
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


def _values(panel: Panel, variant: str, runs: Sequence[RunKey], metric: str) -> NDArray[np.float64]:
    return np.array([panel.runs[variant, *run][metric] for run in runs], dtype=np.float64)


def identity_differences(panel: Panel, a: str, b: str, runs: Sequence[RunKey]) -> pd.DataFrame:
    """(runs, identities) differences of an identity's mean average precision; NaN where a split lacks the identity."""
    rows = []
    for run in runs:
        first, second = panel.identities[a, *run], panel.identities[b, *run]
        if not first["queries"].equals(second["queries"]):
            where = f"{panel.dataset}, {panel.protocol}, split {run[0]}, seed {run[1]}"
            raise UserError(f"scores of {a} and {b} ({where}): different queries; score both again")
        rows.append((first["average_precision"] - second["average_precision"]) / first["queries"])
    return pd.DataFrame(rows).reindex(columns=panel.person_ids)


def protocol_order(rows: Sequence[Row], protocols: Sequence[str]) -> list[str]:
    """Protocols of rows: in the order of `protocols`, then those with another gallery or re-ranking."""
    present = dict.fromkeys(row["protocol"] for row in rows)
    return [name for name in protocols if name in present] + sorted(name for name in present if name not in protocols)


def supported(row: Row) -> bool:
    """Whether a difference is supported: corrected p below 0.05 over identities, and the same sign in every run."""
    signs = {value > 0 for value in row["map_by_run"]}
    return row["p_permutation_holm"] < paired_tests.SIGNIFICANCE and len(signs) == 1
