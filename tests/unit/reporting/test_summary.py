from __future__ import annotations

from csdn.reporting import summary

PROTOCOLS = ["sysu_all_single", "sysu_all_multi"]


def row(a: str, b: str, mean: float, half: float, protocol: str = PROTOCOLS[0], **values: object) -> dict:
    return {
        "dataset": "d", "protocol": protocol, "a": a, "b": b, "map_by_run": [mean - 0.005, mean + 0.005],
        "map_difference": mean, "map_std": None, "map_low": mean - half, "map_high": mean + half,
        "p": 0.005, "test": "permutation",
    } | values  # fmt: skip


def contrast(verdict: str, **values: object) -> dict:
    return {
        "protocol": PROTOCOLS[0], "setting": "A", "a": "csdn", "b": "baseline", "alpha": 0.025, "verdict": verdict,
        "draws": 3,
        "by_draw": {"1": 0.02, "2": 0.03, "3": 0.025}, "map_difference": 0.025, "map_low": 0.015, "map_high": 0.035,
        "p": 0.004, "detectable": 0.012,
    } | values  # fmt: skip


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def claim(*rows: dict) -> summary.Claim:
    (one,) = summary.claims(list(rows), PROTOCOLS)
    return one


def test_only_the_interval_decides_what_a_description_says():
    assert claim(row("csdn", "baseline", 0.02, 0.01)).verdict == "above"
    assert claim(row("csdn", "baseline", -0.02, 0.01)).verdict == "below"
    assert claim(row("csdn", "baseline", 0.02, 0.03)).verdict == "open"


def test_sentence_holds_the_numbers_and_what_the_paper_has():
    text = plain(claim(row("csdn", "baseline", 0.025, 0.01)).sentence)
    assert "csdn - baseline: +2.5 points of mAP (All search, single-shot; for these models [+1.5, +3.5]; p" in text
    assert "p = 0.005)" in text
    assert "The paper has it so too." in text
    assert "the other way round" in claim(row("csdn", "baseline", -0.025, 0.01)).sentence
    assert "paper" not in claim(row("csdn", "baseline", 0.0, 0.01)).sentence
    assert "paper" not in claim(row("csdn", "permuted_text", 0.025, 0.01)).sentence
    assert "disagree about its sign" in claim(row("csdn", "baseline", 0.002, 0.01)).sentence
    floor = row("csdn", "baseline", 0.025, 0.01, p=0.0001)
    assert "; p \N{LESS-THAN OR EQUAL TO}0.0001)" in plain(claim(floor).sentence)
    assert "p =" not in plain(claim(row("csdn", "baseline", 0.025, 0.01, p=None, test=None)).sentence)


def test_other_protocols_are_counted():
    first, second = row("csdn", "baseline", 0.02, 0.01), row("csdn", "baseline", 0.02, 0.01, PROTOCOLS[1])
    other, third = second | {"map_low": -0.01}, second | {"protocol": "third"}
    assert "The other protocol says the same" in claim(first, second).sentence
    assert "The other protocol says otherwise" in claim(first, other).sentence
    (both,) = summary.claims([first, second, third], [*PROTOCOLS, "third"])
    assert "The other 2 protocols say the same" in both.sentence
    (one,) = summary.claims([first, other, third], [*PROTOCOLS, "third"])
    assert "1 of the other 2 protocols says the same" in one.sentence


def test_the_primary_question_is_answered_draw_by_draw_with_its_verdict():
    answers = summary.primary_answers([contrast("supported"), contrast("not tested", setting="B", p=None)])
    (supported,), (behind,) = answers["A"], answers["B"]
    assert (plain(supported.title), supported.verdict) == ("csdn - baseline", "supported")
    assert plain(supported.sentence) == (
        "+2.5 points of mAP over 3 draws (97.5 % interval [+1.5, +3.5], p = 0.004). Draw by draw: +2.0, +3.0, +2.5. "
        "csdn is above baseline over draws like these. The test finds 1.2 points with 80 % power."
    )
    assert "Not tested, because" in behind.sentence
    assert "p =" not in plain(behind.sentence)


def test_a_question_without_a_verdict_says_why():
    few = {"map_low": None, "map_high": None, "p": None, "detectable": None, "by_draw": {"1": 0.025}, "draws": 1}
    (claim,) = summary.primary_answers([contrast("too few draws", **few)])["A"]
    assert claim.sentence == "+2.5 points of mAP over 1 draw. The test needs 3 draws or more, so there is no verdict."
    (claim,) = summary.primary_answers([contrast("too few draws", **few | {"draws": 0})])["A"]
    assert claim.sentence.startswith("+2.5 points of mAP for one set of people.")
    (claim,) = summary.primary_answers([contrast("not run", **few | {"map_difference": None, "by_draw": {}})])["A"]
    assert (claim.verdict, claim.sentence) == ("not run", "Not run: no draw has scores of both variants.")
    (claim,) = summary.primary_answers([contrast("not supported")])["A"]
    assert "is above" not in claim.sentence


def test_the_question_names_its_rule():
    assert "two-sided t-test at 2.5 %; contrasts" in summary.question_sentence([contrast("supported")])
    two = [contrast("supported"), contrast("supported", setting="B")]
    assert "t-test at 2.5 % in each setting" in summary.question_sentence(two)


def test_pairs_that_were_not_compared_make_no_claim():
    assert summary.claims([row("csdn", "other", 0.02, 0.01)], PROTOCOLS) == []


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
