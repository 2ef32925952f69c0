"""Plain sentences about what the tables show, generated only from their rows. Pure.

Verdicts stand in the rows of the primary question; all other differences are described, never decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from csdn.reporting.tables import descriptive_p, interval, p_value, percent, signed
from csdn.statistics.comparison import Row
from csdn.statistics.paired_tests import MIN_DRAWS
from csdn.statistics.primary import NOT_RUN, NOT_TESTED, SUPPORTED, TOO_FEW
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
    """An answer: the verdict of a contrast, or "above", "below" or "open", and the sentence."""

    title: str
    verdict: str
    sentence: str


QUESTIONS = (
    Question("mspl", "clip_vireid", -1, "Separate prompts alone against the shared prompt"),
    Question("csdn", "mspl", +1, "Fusion (SII) against separate prompts alone"),
    Question("csdn", "baseline", +1, "CSDN against the baseline"),
    Question("csdn", "permuted_text", 0, "The right descriptions against permuted ones"),
    Question("permuted_text", "baseline", 0, "Permuted descriptions against none"),
)
_NBSP = "\N{NO-BREAK SPACE}"  # prevents line breaks within a formula
_SIGNS = {"above": 1, "below": -1, "open": 0}


def primary_answers(rows: Sequence[Row]) -> dict[str, list[Claim]]:
    """The verdict of each contrast of the primary question and what it rests on, by setting."""
    answers: dict[str, list[Claim]] = {}
    for row in rows:
        title = f"{row['a']} {MINUS} {row['b']}"
        answers.setdefault(row["setting"].replace("_", " "), []).append(Claim(title, row["verdict"], _answer(row)))
    return answers


def question_sentence(rows: Sequence[Row]) -> str:
    """What the primary question compares, and by which rule."""
    first, settings = rows[0], len({row["setting"] for row in rows})
    level = f"{100 * first['alpha']:g} %"
    return (
        f"mAP, {protocol_label(first['protocol']).lower()}. Each draw, with people, cameras and trainings of its own, "
        f"is one observation of a two-sided t-test at {level}{' in each setting' if settings > 1 else ''}; contrasts "
        "are tested in this order, each only if the one before it was supported."
    )


def _answer(row: Row) -> str:
    if row["verdict"] == NOT_RUN:
        return "Not run: no draw has scores of both variants."
    ends = ""
    if row["map_low"] is not None:
        confidence = f"{100 * (1 - row['alpha']):g} % interval"
        p = f", {_p(p_value(row['p']))}" if row["p"] is not None else ""
        ends = f" ({confidence} {interval(row['map_low'], row['map_high'], sign=True)}{p})"
    draws = row["draws"]
    where = f"over {draws} draw{'s' * (draws > 1)}" if draws else "for one set of people"
    text = f"{percent(row['map_difference'], sign=True)} points of mAP {where}{ends}."
    if draws > 1:
        text += f" Draw by draw: {signed(row['by_draw'].values())}."
    if row["verdict"] == TOO_FEW:
        return f"{text} The test needs {MIN_DRAWS} draws or more, so there is no verdict."
    if row["verdict"] == NOT_TESTED:
        return f"{text} Not tested, because the contrast before it was not supported."
    if row["verdict"] == SUPPORTED:
        text += f" {row['a']} is {'above' if row['map_difference'] > 0 else 'below'} {row['b']} over draws like these."
    return f"{text} The test finds {percent(row['detectable'])} points with 80 % power."


def claims(rows: Sequence[Row], protocols: Sequence[str]) -> list[Claim]:
    """One description for each question that the rows of a dataset's differences answer.

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


def side(row: Row) -> str:
    """On which side of zero the whole interval of a difference lies, for these models; "open" if it contains zero."""
    return "above" if row["map_low"] > 0 else "below" if row["map_high"] < 0 else "open"


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


def _claim(question: Question, row: Row, others: Sequence[Row]) -> Claim:
    where = side(row)
    ends = interval(row["map_low"], row["map_high"], sign=True)
    p = f"; {_p(descriptive_p(row))}" if row["p"] is not None else ""
    sentence = (
        f"{question.a} {MINUS} {question.b}: {percent(row['map_difference'], row['map_std'], sign=True)} points of mAP "
        f"({protocol_label(row['protocol'])}; for these models {ends}{p})."
    )
    if where != "open" and question.sign:
        sentence += f" The paper has it {'so too' if _SIGNS[where] == question.sign else 'the other way round'}."
    if len({value > 0 for value in row["map_by_run"]}) > 1:
        sentence += " The runs disagree about its sign."
    if others:
        sentence += f" {_agreement(sum(side(other) == where for other in others), len(others))}"
    return Claim(question.title, where, sentence)


def _p(text: str) -> str:
    return f"p{_NBSP}{text}" if text[0] in "<\N{LESS-THAN OR EQUAL TO}" else f"p{_NBSP}={_NBSP}{text}"


def _agreement(same: int, others: int) -> str:
    """How many of the other protocols have the difference on the same side."""
    if others == 1:
        return f"The other protocol says {'the same' if same else 'otherwise'}."
    if same == others:
        return f"The other {others} protocols say the same."
    return f"{same or 'None'} of the other {others} protocols {'say' if same > 1 else 'says'} the same."
