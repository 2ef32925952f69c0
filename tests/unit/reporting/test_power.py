"""The command that simulates studies: its components come from scores, its contrasts from the primary question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from csdn.cli.main import main
from csdn.config.params import Params
from csdn.reporting import power
from helpers.result_tree import PRIMARY, Tree, make_params, write_images, write_score

DRAWS = ["1", "2", "3"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Params:
    """Three draws of four variants, one training each."""
    folder = tmp_path_factory.mktemp("study")
    dataset = {"layout": "sysu_mm01", "trials": 2, "seeds": [0], "splits": DRAWS}
    params = make_params(
        folder, datasets={"sysu_mm01": dataset}, evaluation={"protocols": ["sysu_all_single"]}, primary=PRIMARY
    )
    index = write_images(params, "sysu_mm01", 24, 6)
    for draw in DRAWS:
        for variant in ("baseline", "csdn", "permuted_text"):
            run = folder / "results" / "sysu_mm01" / draw / "runs" / variant / "seed_0"
            write_score(run, index, "sysu_mm01", draw, variant, 0, "sysu_all_single")
    return params


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(str(ended.value.code))


def test_components_and_rates_of_the_primary_question(study: Params):
    found = power.simulate_power(Path(study.runtime.results), study, [10, 3])
    rows = found["contrasts"]
    assert [(row["setting"], row["b"], row["draws"]) for row in rows] == [
        ("default weights", other, draws) for other in ("permuted_text", "baseline") for draws in (3, 10)
    ]
    assert {(row["identities"], row["seeds"], row["seed_std"]) for row in rows} == {(24, 1, 0.0)}
    assert all(0.04 <= row["false_positives"] <= 0.06 and 0.93 <= row["coverage"] <= 0.97 for row in rows)
    assert rows[1]["detectable"] < rows[0]["detectable"]
    assert [row["draws"] for row in found["studies"]] == [3, 10]
    assert all(row["family_wise"] <= 0.03 for row in found["studies"])  # one setting at 2.5 %


def test_more_identities_find_less(study: Params):
    few, many = (
        power.simulate_power(Path(study.runtime.results), study, [5], identities=n)["contrasts"] for n in (None, 4000)
    )
    assert all(one["detectable"] > other["detectable"] for one, other in zip(few, many, strict=True))


def test_without_a_primary_question_the_differences_of_the_tables_are_simulated(study: Params):
    plain = study.model_copy(update={"primary": None})
    found = power.simulate_power(Path(study.runtime.results), plain, [5])
    pairs = {(row["a"], row["b"]) for row in found["contrasts"]}
    assert pairs == {("csdn", "baseline"), ("csdn", "permuted_text"), ("permuted_text", "baseline")}
    assert found["studies"] == []


def test_the_command(study: Params, tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture):
    settings = tmp_path / "params.json"
    settings.write_text(study.model_dump_json())
    command = ["simulate-power", "--params", str(settings), "--draws", "5"]
    assert run([*command, "--json", study.runtime.results]) == 0
    found = json.loads(capsys.readouterr().out)
    assert run([*command, study.runtime.results]) == 0
    shown = capsys.readouterr().out
    assert f"{100 * found['contrasts'][0]['detectable']:.2f}" in shown
    assert f"falsely supported in {found['studies'][0]['family_wise']:.1%}" in shown
    assert run([*command, str(tmp_path)]) == 2
    assert "no contrast has scores of both variants in two draws" in capsys.readouterr().err
    settings.write_text(tree.params.model_dump_json())
    assert run([*command, str(tree.results)]) == 2  # one set of people is no study over draws
