"""Plain sentences about what the tables show, generated only from their rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from csdn.reporting.tables import interval, p_value, percent
from csdn.statistics import paired_tests
from csdn.statistics.comparison import Row, supported
from csdn.study.labels import MINUS, protocol_label


@dataclass(frozen=True)
class Question:
    """A question that the report answers: the sign of variant a - variant b, and the paper's (0: not reported)."""

    a: str
    b: str
    sign: int
    title: str


@dataclass(frozen=True)
class Claim:
    """An answer: verdict "appears", "reversed", "unresolved", "higher" or "lower", and the sentence."""

    title: str
    verdict: str
    sentence: str


QUESTIONS = (
    Question("mspl", "clip_vireid", -1, "Separate prompts alone fall below the shared prompt"),
    Question("csdn", "mspl", +1, "Fusion (SII) more than makes up for it"),
    Question("csdn", "baseline", +1, "CSDN is above the baseline"),
    Question("csdn", "permuted_text", 0, "The right descriptions against permuted ones"),
    Question("permuted_text", "baseline", 0, "Permuted descriptions against none"),
)
_NBSP = "\N{NO-BREAK SPACE}"  # prevents line breaks within a formula
VERDICTS = {"unresolved": "not resolved"} | {word: word for word in ("appears", "reversed", "higher", "lower")}
_ORDERINGS = {  # what one ordering of the paper, or several, do
    "appears": ("appears", "appear"),
    "reversed": ("comes out reversed", "come out reversed"),
    "unresolved": ("cannot be told from chance", "cannot be told from chance"),
}


def claims(rows: Sequence[Row], protocols: Sequence[str]) -> list[Claim]:
    """One claim for each question that the rows of a dataset's differences answer.

    Args:
        rows: rows of a table of differences of one dataset.
        protocols: the dataset's protocols; the first one with the pair is reported, the others are only counted.
    """
    out = []
    for question in QUESTIONS:
        pair = {row["protocol"]: row for row in rows if (row["a"], row["b"]) == (question.a, question.b)}
        ordered = [pair[name] for name in protocols if name in pair]
        if ordered:
            out.append(_claim(question, ordered[0], ordered[1:]))
    return out


def verdict(question: Question, row: Row) -> str:
    """What a row says about a question."""
    if not supported(row):
        return "unresolved"
    sign = 1 if row["map_difference"] > 0 else -1
    if question.sign:
        return "appears" if sign == question.sign else "reversed"
    return "higher" if sign > 0 else "lower"


def ordering_sentence(found: Sequence[Claim]) -> str:
    """How many of the paper's orderings appear: `Of the paper's 3 orderings 2 appear and 1 is not resolved.`"""
    paper = {question.title for question in QUESTIONS if question.sign}
    asked = [claim for claim in found if claim.title in paper]
    if not asked:
        return "None of the paper's orderings was tested here."
    if len(asked) == 1:
        return f"The one ordering of the paper tested here {_ORDERINGS[asked[0].verdict][0]}."
    counts = {kind: sum(claim.verdict == kind for claim in asked) for kind in _ORDERINGS}
    if counts["unresolved"] == len(asked):
        return f"None of the paper's {len(asked)} orderings can be told from chance here."
    if len(asked) in counts.values():
        return f"All {len(asked)} of the paper's orderings {_ORDERINGS[asked[0].verdict][1]}."
    parts = [f"{n} {_ORDERINGS[kind][n > 1]}" for kind, n in counts.items() if n]
    return f"Of the paper's {len(asked)} orderings, {_listed(parts)}."


def floor_sentence(rows: Sequence[Row], untrained: Sequence[str]) -> str | None:
    """Whether every trained variant is above the `untrained` in one dataset and protocol; None if none was scored."""
    floors = [row for row in rows if row["variant"] in untrained]
    trained = [row for row in rows if row["variant"] not in untrained]
    if not floors or not trained:
        return None
    floor = max(floors, key=lambda row: row["map_mean"])
    lowest = min(trained, key=lambda row: row["map_mean"])
    high = f"{lowest['variant']} with {percent(lowest['map_mean'])} % mAP"
    numbers = f"{high} against {percent(floor['map_mean'])} % of {floor['variant']}"
    if lowest["map_low"] > floor["map_high"]:
        return f"Every trained variant is far above the untrained initialisation, the lowest {numbers}."
    if lowest["map_mean"] > floor["map_mean"]:
        return f"Every trained variant is above the untrained initialisation, but intervals overlap: {numbers}."
    return f"Not every trained variant is above the untrained initialisation: {numbers}."


def power_sentence(rows: Sequence[Row]) -> str | None:
    """The smallest difference that the paired test would find; None if nothing was tested."""
    values = [row["detectable"] for row in rows if row["detectable"] is not None]
    if not values:
        return None
    identities = max(row["identities"] for row in rows)
    size = percent(max(values))
    return (
        f"With {identities} test identities the paired test finds differences of about {size} points of mAP or more "
        "with 80 % power before correction; smaller ones can be missed."
    )


def _claim(question: Question, row: Row, others: Sequence[Row]) -> Claim:
    kind = verdict(question, row)
    difference = percent(row["map_difference"], row["map_std"], sign=True)
    ends = interval(row["map_low"], row["map_high"], sign=True)
    p = f"{_p(row['p_permutation'])}, corrected {p_value(row['p_permutation_holm'])}"
    sentence = (
        f"{question.a} {MINUS} {question.b}: {difference} points of mAP "
        f"({protocol_label(row['protocol'])}; 95 % interval {ends}; {p}). {_support(row)}"
    )
    same = sum(verdict(question, other) == kind for other in others)
    if others:
        sentence += f" {_agreement(same, len(others))}"
    return Claim(question.title, kind, sentence)


def _support(row: Row) -> str:
    """What the spread and the tests support."""
    runs = len(row["map_by_run"])
    reasons = []
    if row["p_permutation_holm"] >= paired_tests.SIGNIFICANCE:
        alone = row["p_permutation"] < paired_tests.SIGNIFICANCE
        reasons.append(f"the test over identities does not tell it from zero{' once corrected' if alone else ''}")
    if len({value > 0 for value in row["map_by_run"]}) > 1:
        reasons.append("the runs disagree about its sign")
    if reasons:
        return f"Not supported: {_listed(reasons)}."
    if runs == 1:
        return "Supported over identities, but from a single run: the spread of training is unknown."
    if row["p_seeds"] is None:
        return f"Supported for these {runs} runs, which agree about the sign but are too few to speak for further ones."
    if row["p_seeds"] >= paired_tests.SIGNIFICANCE:
        return (
            f"Supported for these {runs} runs, which agree about the sign; that further seeds would show it too is not "
            f"established ({_p(row['p_seeds'])} with seeds as random)."
        )
    return f"Supported over identities and in each of the {runs} runs."


def _p(p: float) -> str:
    text = p_value(p)
    return f"p{_NBSP}{text}" if text.startswith("<") else f"p{_NBSP}={_NBSP}{text}"


def _agreement(same: int, others: int) -> str:
    """How many of the other protocols give the same verdict."""
    if others == 1:
        return f"The other protocol gives {'the same' if same else 'another'} verdict."
    if same == others:
        return f"The other {others} protocols give the same verdict."
    return f"{same or 'None'} of the other {others} protocols {'give' if same > 1 else 'gives'} the same verdict."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
