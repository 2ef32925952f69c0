"""The primary question of a study: the only comparisons whose verdict can be `supported`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from csdn.statistics import paired_tests
from csdn.statistics.comparison import Design, Pair, Panel, Row, panels, split_means
from csdn.statistics.scores import Scores

SUPPORTED = "supported"
NOT_SUPPORTED = "not supported"
NOT_TESTED = "not tested"  # the contrast before it was not supported
TOO_FEW = "too few draws"
NOT_RUN = "not run"  # there are no scores of both variants


def primary_rows(
    scores: Scores,
    dataset: str,
    protocol: str,
    settings: Mapping[str, Sequence[Pair]],
    alpha: float,
    design: Design,
) -> list[Row]:
    """One row for each contrast (a, b), in the order of `settings`.

    The replicate is the draw: one value each, the mean over its identities of the difference in average precision,
    averaged over its seeds. Within a setting, contrasts are tested in their order, each only if all before it were
    supported, so that `alpha` is the family-wise level of the setting.

    Args:
        scores: all scores.
        dataset: whose draws are compared.
        protocol: by which they were scored.
        settings: the ordered contrasts of each setting.
        alpha: level of each setting.
        design: what the settings say about the scores.
    """
    variants = list(dict.fromkeys(name for pairs in settings.values() for pair in pairs for name in pair))
    found = [one for one in panels(scores, variants, design) if (one.dataset, one.protocol) == (dataset, protocol)]
    rows: list[Row] = []
    for setting, pairs in settings.items():
        place: Row = {"dataset": dataset, "protocol": protocol, "setting": setting}
        own = [place | _contrast(found[0] if found else None, a, b, alpha) for a, b in pairs]
        decisions = paired_tests.gatekeep([row["p"] for row in own], alpha)
        for row, decision in zip(own, decisions, strict=True):
            row["verdict"] = _verdict(row, decision)
            row["p"] = row["p"] if decision is not None else None
        rows += own
    return rows


def _contrast(panel: Panel | None, a: str, b: str, alpha: float) -> Row:
    row: Row = {"a": a, "b": b, "alpha": alpha, "draws": 0, "seeds": 0, "identities": 0, "by_draw": {}}
    row |= dict.fromkeys(("map_difference", "map_low", "map_high", "p", "detectable"))
    if panel is None or not panel.runs_of(a, b):
        return row
    differences = panel.differences(a, b)
    by_draw = split_means(differences)
    values = list(by_draw.values())
    row |= {"by_draw": by_draw, "draws": len(values) if panel.drawn else 0}
    row["seeds"] = len({seed for _, seed in panel.runs_of(a, b)})
    row["identities"] = int(differences.notna().any(axis=0).sum())
    row["map_difference"], std = paired_tests.mean_and_std(values)
    test = paired_tests.draws_test(values, 1 - alpha) if panel.drawn else None
    if test is not None and std is not None:
        row |= {"map_low": test.low, "map_high": test.high, "p": test.p}
        row["detectable"] = paired_tests.detectable_difference(std, len(values), alpha)
    return row


def _verdict(row: Row, decision: bool | None) -> str:
    if row["map_difference"] is None:
        return NOT_RUN
    if row["p"] is None:
        return TOO_FEW
    if decision is None:
        return NOT_TESTED
    return SUPPORTED if decision else NOT_SUPPORTED
