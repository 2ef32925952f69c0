"""DVC versions what Snakemake makes: stages, experiments, a remote, and a clone that has nothing to do."""

import fcntl
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def repository(workflow):
    """The workflow in a Git repository with DVC and a remote, one dataset small enough to be quick."""
    workflow.change(
        datasets={
            "sysu_mm01": {"splits": ["default"], "variants": ["baseline", "csdn"]},
            "regdb": {"variants": ["baseline"]},
        },
        evaluation={"protocols": ["sysu_all_single", "regdb_visible_to_infrared"]},
    )
    folder = workflow.folder
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        (folder / ".dvc" / name).write_text((ROOT / ".dvc" / name).read_text())
    shutil.copytree(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")
    (folder / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "/bin/\n/calls.jsonl\n")
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "test@example.org"],
        ["git", "config", "user.name", "test"],
        ["dvc", "remote", "add", "-q", "-d", "backup", str(folder.parent / "remote")],
    ):
        workflow.call(*command)
    commit(workflow, "code")
    return workflow


def commit(workflow, message):
    workflow.call("git", "add", "-A")
    workflow.call("git", "commit", "-q", "-m", message)


def steps(workflow):
    return {call["step"] for call in workflow.calls()}


@pytest.mark.slow
def test_results_are_versioned_compared_and_fetched(repository, tmp_path):
    repository.call("dvc", "repro", "-q")
    assert "train_encoder" in steps(repository)
    assert "Data and pipelines are up to date" in repository.call("dvc", "repro")
    assert steps(repository) == set()
    commit(repository, "results")
    assert repository.call("git", "status", "--short") == ""
    before = json.loads(repository.call("dvc", "metrics", "show", "--json"))
    plots = json.loads(repository.call("dvc", "plots", "show", "--json", "results/curves/matches.csv"))
    (shown,) = plots["data"]["results/curves/matches.csv"]
    points = shown["content"]["data"]["values"] if isinstance(shown["content"], dict) else shown["content"]
    assert "variant" in str(points) and "panel" in str(points)

    repository.change(datasets={"sysu_mm01": {"trials": 3}})
    with (repository.folder / ".snakemake/run.flock").open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "another run of the pipeline is active" in repository.call("dvc", "repro", check=False)
    assert steps(repository) == set()
    assert "datasets.sysu_mm01.trials" in repository.call("dvc", "params", "diff")
    repository.call("dvc", "repro", "-q")
    assert steps(repository) == {
        "score_retrieval",
        "track_scores",
        "compare_costs",
        "compare_variants",
        "draw_figures",
        "write_report",
    }
    assert json.loads(repository.call("dvc", "metrics", "show", "--json")) != before
    assert "rank_1" in repository.call("dvc", "metrics", "diff")
    commit(repository, "three trials")

    repository.call("dvc", "exp", "run", "-q", "-S", "+variants.csdn.encoder.epochs=3", "-n", "longer")
    assert "longer" in repository.call("dvc", "exp", "list")
    repository.call("git", "checkout", "-q", ".")
    repository.call("dvc", "checkout", "-q")
    assert repository.plan() == {}

    repository.call("dvc", "push", "-q")
    subprocess.run(["git", "clone", "-q", repository.folder, tmp_path / "other"], check=True)
    (tmp_path / "other" / "bin").symlink_to(repository.folder / "bin")
    other = repository.at(tmp_path / "other")
    assert other.plan()["train_encoder"] == 3
    other.call("dvc", "pull", "-q")
    assert other.plan() == {}
    other.change(variants={"csdn": {"encoder": {"epochs": 4}}})
    assert other.plan()["train_encoder"] == 1


def test_stages_name_every_dataset_and_every_key_that_decides_their_files():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    assert list(stages) == ["data", "train", "evaluation", "all"]
    assert all(stage["cmd"] == f"scripts/snake {name}" for name, stage in stages.items())
    outputs = {path: options for stage in stages.values() for out in stage["outs"] for path, options in out.items()}
    assert all(options["persist"] for options in outputs.values())
    assert ".snakemake/metadata" in outputs
    for name in params["datasets"]:
        assert f"results/{name}" in outputs
        assert f"results/{name}" in stages["all"]["deps"]
    assert set(stages["all"]["params"]) == set(params)
    for stage in stages.values():
        assert set(stage["params"]) <= set(params)
        assert {"datasets", "variants", "runtime"} <= set(stage["params"])
