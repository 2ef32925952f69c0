"""What the tests can find: variance components, simulated power, and the command that prints it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from csdn.cli.main import main
from csdn.reporting import power
from csdn.statistics import paired_tests
from csdn.statistics.power import Components, smallest_found, variance_components
from helpers.result_tree import Tree


def run(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(str(ended.value.code))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_variance_components_are_those_drawn():
    generator = rng(1)
    found = []
    for _ in range(300):
        identities, seeds = generator.normal(0, 3, (1, 80)), generator.normal(0, 1, (5, 1))
        found.append(variance_components(0.5 + identities + seeds + generator.normal(0, 2, (5, 80))))
    assert np.mean(found, axis=0) == pytest.approx([9, 1, 4], rel=0.15)


def test_one_seed_leaves_nothing_to_tell_apart():
    differences = rng(2).normal(size=(1, 50))
    assert variance_components(differences) == pytest.approx((differences.var(ddof=1), 0, 0))


def test_components_are_never_negative():
    row = np.array([[1.0, -1.0]])
    assert variance_components(np.concatenate([row, -row])) == pytest.approx((0, 0, 4))


def test_the_smallest_difference_is_that_of_the_noncentral_t():
    """The power of a paired t test has a closed form (Cohen 1988)."""
    identities, std = 60, 0.12
    found = smallest_found(Components(std**2, 0.0, 0.0), identities, 1, rng(3), studies=4000)
    limit = stats.t.isf(0.025, identities - 1)
    noncentrality = found / std * identities**0.5
    assert stats.nct.sf(limit, identities - 1, noncentrality) == pytest.approx(0.8, abs=0.02)


def test_further_seeds_cost_what_seeds_differ():
    components = Components(0.01, 0.0004, 0.01)
    models = smallest_found(components, 60, 4, rng(4))
    methods = smallest_found(components, 60, 4, rng(4), further_seeds=True, studies=200)
    assert methods > 1.2 * models
    assert smallest_found(components, 60, paired_tests.MIN_SEEDS - 1, rng(4), further_seeds=True) is None


def test_more_identities_find_less(tree: Tree, monkeypatch):
    monkeypatch.setattr(power, "STUDIES", 200)
    few = power.simulate_power(tree.results, tree.params)
    many = power.simulate_power(tree.results, tree.params, identities=400)
    assert {row["dataset"] for row in few} == {"sysu_mm01"}  # RegDB has two splits, each with identities of its own
    assert all(one["smallest"] > other["smallest"] for one, other in zip(few, many, strict=True))
    assert {row["seeds"] for row in few} == {2}
    assert {row["smallest_further_seeds"] for row in few} == {None}


def test_the_command(tree: Tree, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(power, "STUDIES", 100)
    settings = tmp_path / "params.json"
    settings.write_text(tree.params.model_dump_json())
    command = ["simulate-power", "--params", str(settings), "--identities", "50"]
    assert run([*command, "--json", str(tree.results)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert run([*command, str(tree.results)]) == 0
    assert f"{100 * rows[0]['smallest']:.2f}" in capsys.readouterr().out
    assert run([*command, str(tmp_path)]) == 2
    assert "no difference of the tables has scores" in capsys.readouterr().err
