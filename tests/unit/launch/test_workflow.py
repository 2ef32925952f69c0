"""What a run of the workflow refuses, sets and removes before its jobs are planned."""

import json
import os

import numpy as np
import pytest

from csdn.artifacts.cache_record import record_path
from csdn.config.loading import load_params
from csdn.data.image_cache import write_pixels
from csdn.errors import UserError
from csdn.launch import workflow


@pytest.fixture
def params(pytestconfig):
    return load_params([str(pytestconfig.rootpath / "params.yaml")])


@pytest.mark.parametrize(
    "flag", ["-n", "-np", "--dry-run", "--dryrun", "--lint", "--dag=dot", "--summary", "--list-rules"]
)
def test_a_look_runs_no_job(flag):
    assert workflow.runs_no_job(["snakemake", "all", "--cores", "2", flag])


@pytest.mark.parametrize("flag", ["--nolock", "--forcerun", "--report-after-run", "--cores", "-j", "all", "--notemp"])
def test_other_options_run_jobs(flag):
    assert not workflow.runs_no_job(["snakemake", flag])


def test_a_plan_only_warns_of_files_that_are_missing(params, capsys):
    on_disk = {"layout": "sysu_mm01", "root": "nowhere/sysu", "variants": ["baseline", "csdn"]}
    missing = {"datasets": {"sysu_mm01": on_disk}, "tables": {}}
    config = params.model_dump(mode="json") | missing | {"adopt": True}
    assert workflow.read_settings([], config, planning=True).datasets["sysu_mm01"].root == "nowhere/sysu"
    assert "datasets.sysu_mm01.root: no folder" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"datasets\.sysu_mm01\.root: no folder"):
        workflow.read_settings([], config, planning=False)


def test_a_layer_with_a_key_that_stands_twice_is_refused(params, tmp_path):
    (tmp_path / "layer.yaml").write_text("seeds: [0]\nseeds: [1]\n")
    with pytest.raises(UserError, match="the key 'seeds' is given twice"):
        workflow.read_settings([tmp_path / "layer.yaml"], params.model_dump(mode="json"), planning=True)


def test_a_gpu_that_cannot_be_used_is_refused_or_done_without(monkeypatch, capsys):
    monkeypatch.setattr(workflow, "why_no_gpu", lambda: "no driver answers; install one")
    with pytest.raises(UserError, match="`cuda` cannot be used because no driver answers; install one; or"):
        workflow.check_device("cuda")
    workflow.check_device("auto")
    assert "jobs compute on the CPU: no driver answers" in capsys.readouterr().err
    workflow.check_device("cpu")
    assert capsys.readouterr().err == ""


def test_results_need_snakemakes_records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workflow.check_records("results")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/encoder.safetensors").touch()
    with pytest.raises(UserError, match="adopt=true"):
        workflow.check_records("results")
    for folder in (workflow.METADATA, workflow.INCOMPLETE):
        folder.mkdir(parents=True)
        (folder / "record").touch()
        workflow.check_records("results")
        (folder / "record").unlink()


def test_jobs_inherit_what_changes_no_result(params, monkeypatch):
    monkeypatch.setattr(os, "environ", {"PATH": "/bin", "CSDN_PRELOADED": "socket"})
    workflow.set_job_environment(params, on_a_node=False)
    assert os.environ["PATH"].startswith("/bin:") and os.environ["CSDN_PRELOADED"] == "socket"
    assert json.loads(os.environ["CSDN_TRACKING"])["store"] == params.tracking.store
    assert json.loads(os.environ["CSDN_CHECKPOINTS"])["folder"] == "results/.checkpoints"
    assert os.environ["CSDN_SCRATCH"] == ""
    workflow.set_job_environment(params, on_a_node=True)
    assert "CSDN_PRELOADED" not in os.environ


def test_only_a_damaged_cache_is_removed(tmp_path, capsys):
    cache = tmp_path / "cache.npy"
    workflow.remove_damaged_cache(cache)
    write_pixels(cache, (2, 4, 2, 3), np.zeros((2, 4, 2, 3), np.uint8), ["a", "b"])
    workflow.remove_damaged_cache(cache)
    assert cache.is_file() and capsys.readouterr().err == ""
    cache.write_bytes(cache.read_bytes()[:-1])
    workflow.remove_damaged_cache(cache)
    assert not cache.exists() and not record_path(cache).exists()
    assert "it is removed and made again" in capsys.readouterr().err
