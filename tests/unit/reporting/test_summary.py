from __future__ import annotations

import pytest

from csdn.reporting import summary

PROTOCOLS = ["sysu_all_single", "sysu_all_multi"]


def row(a: str, b: str, by_run: list[float], p: float, protocol: str = PROTOCOLS[0], **values: object) -> dict:
    mean = sum(by_run) / len(by_run)
    return {
        "dataset": "d", "protocol": protocol, "a": a, "b": b, "map_by_run": by_run, "map_difference": mean,
        "map_std": 0.004 if len(by_run) > 1 else None, "map_low": mean - 0.01, "map_high": mean + 0.01,
        "p_permutation": p / 2, "p_permutation_holm": p, "p_seeds": 0.01, "identities": 100, "detectable": 0.018,
    } | values  # fmt: skip


def claim(*rows: dict) -> summary.Claim:
    (one,) = summary.claims(list(rows), PROTOCOLS)
    return one


@pytest.mark.parametrize(
    ("a", "b", "by_run", "p", "verdict"),
    [
        ("csdn", "baseline", [0.02, 0.03], 0.01, "appears"),
        ("csdn", "baseline", [-0.02, -0.03], 0.01, "reversed"),
        ("csdn", "baseline", [0.02, 0.03], 0.2, "unresolved"),
        ("csdn", "baseline", [0.05, -0.01], 0.01, "unresolved"),
        ("mspl", "clip_vireid", [-0.02, -0.03], 0.01, "appears"),
        ("mspl", "clip_vireid", [0.02, 0.03], 0.01, "reversed"),
        ("csdn", "permuted_text", [0.02, 0.03], 0.01, "higher"),
        ("permuted_text", "baseline", [-0.02, -0.03], 0.01, "lower"),
    ],
)
def test_verdict_follows_sign_test_and_runs(a: str, b: str, by_run: list[float], p: float, verdict: str):
    assert claim(row(a, b, by_run, p)).verdict == verdict


def test_sentence_holds_the_numbers():
    text = claim(row("csdn", "baseline", [0.02, 0.03], 0.01)).sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert "csdn \N{MINUS SIGN} baseline: +2.5 ± 0.4 points of mAP" in text
    assert "[+1.5, +3.5]" in text
    assert "p = 0.005, corrected 0.010" in text
    assert "each of the 2 runs" in text


def test_what_does_not_support_a_difference_is_said():
    assert "does not tell it from zero" in claim(row("csdn", "baseline", [0.02, 0.03], 0.3)).sentence
    assert "disagree about its sign" in claim(row("csdn", "baseline", [0.05, -0.01], 0.01)).sentence
    assert "spread of training is unknown" in claim(row("csdn", "baseline", [0.02], 0.01, p_seeds=None)).sentence
    assert "too few to speak" in claim(row("csdn", "baseline", [0.02, 0.03], 0.01, p_seeds=None)).sentence
    few = claim(row("csdn", "baseline", [0.02, 0.03], 0.01, p_seeds=0.12)).sentence
    assert "further seeds would show it too is not established" in few


def test_other_protocols_are_counted():
    first, second = row("csdn", "baseline", [0.02], 0.01), row("csdn", "baseline", [0.02], 0.01, PROTOCOLS[1])
    other, third = second | {"p_permutation_holm": 0.9}, second | {"protocol": "third"}
    assert "The other protocol gives the same verdict" in claim(first, second).sentence
    assert "The other protocol gives another verdict" in claim(first, other).sentence
    (both,) = summary.claims([first, second, third], [*PROTOCOLS, "third"])
    assert "The other 2 protocols give the same" in both.sentence
    (one,) = summary.claims([first, other, third], [*PROTOCOLS, "third"])
    assert "1 of the other 2 protocols gives the same" in one.sentence


def test_pairs_that_were_not_compared_make_no_claim():
    assert summary.claims([row("csdn", "other", [0.02], 0.01)], PROTOCOLS) == []


def test_orderings_are_counted():
    def verdicts(*kinds: str) -> list[summary.Claim]:
        titles = [question.title for question in summary.QUESTIONS if question.sign]
        return [summary.Claim(title, kind, "") for title, kind in zip(titles, kinds, strict=False)]

    assert summary.ordering_sentence([]) == "None of the paper's orderings was tested here."
    assert summary.ordering_sentence(verdicts("appears")) == "The one ordering of the paper tested here appears."
    assert summary.ordering_sentence(verdicts("appears", "appears")) == "All 2 of the paper's orderings appear."
    assert summary.ordering_sentence(verdicts("unresolved", "unresolved")).startswith("None of the paper's 2")
    mixed = summary.ordering_sentence(verdicts("appears", "reversed", "unresolved"))
    assert mixed == "Of the paper's 3 orderings, 1 appears, 1 comes out reversed and 1 cannot be told from chance."


def test_floor():
    def variant(name: str, low: float, mean: float, high: float) -> dict:
        return {"variant": name, "map_low": low, "map_mean": mean, "map_high": high}

    floor = variant("clip_init", 0.1, 0.15, 0.2)
    assert summary.floor_sentence([floor], ["clip_init"]) is None
    far = summary.floor_sentence([floor, variant("csdn", 0.4, 0.5, 0.6)], ["clip_init"])
    assert str(far).startswith("Every trained variant is far above the untrained initialisation")
    assert "the lowest csdn with 50.0 % mAP against 15.0 % of clip_init" in str(far)
    assert "overlap" in str(summary.floor_sentence([floor, variant("csdn", 0.18, 0.25, 0.3)], ["clip_init"]))
    assert "Not every" in str(summary.floor_sentence([floor, variant("csdn", 0.05, 0.1, 0.2)], ["clip_init"]))


def test_power():
    assert summary.power_sentence([]) is None
    assert "100 test identities" in str(summary.power_sentence([row("csdn", "baseline", [0.02], 0.01)]))
