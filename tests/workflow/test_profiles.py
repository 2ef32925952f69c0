"""The profiles of other machines: every key is an option of Snakemake or of the profile's plugin, and they plan."""

import importlib.util
import subprocess

import pytest
import yaml

from .conftest import ROOT

PROFILES = sorted(path.parent.name for path in ROOT.glob("workflow/profiles/*/config.yaml"))
PLUGINS = {"slurm": "slurm", "generic": "cluster-generic", "kubernetes": "kubernetes", "default": None}


def has_plugin(profile: str) -> bool:
    plugin = PLUGINS[profile]
    name = f"snakemake_executor_plugin_{plugin.replace('-', '_')}" if plugin else "snakemake"
    return importlib.util.find_spec(name) is not None


def test_every_profile_is_looked_at():
    assert sorted(PLUGINS) == PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_every_key_is_an_option(profile):
    from snakemake.cli import get_argument_parser

    known = {name.removeprefix("--") for action in get_argument_parser()._actions for name in action.option_strings}
    keys = set(yaml.safe_load((ROOT / f"workflow/profiles/{profile}/config.yaml").read_text()))
    if not has_plugin(profile):
        keys = {key for key in keys if not key.startswith(f"{PLUGINS[profile]}-")}
    assert keys <= known


@pytest.mark.parametrize("profile", PROFILES)
def test_the_content_of_files_decides_everywhere(profile):
    settings = yaml.safe_load((ROOT / f"workflow/profiles/{profile}/config.yaml").read_text())
    assert settings["max-checksum-file-size"] == "100GB"
    assert settings["rerun-incomplete"] is True
    assert settings.get("executor") == PLUGINS[profile]
    assert profile == "default" or settings["retries"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("profile", [name for name in PROFILES if PLUGINS[name]])
def test_it_plans_the_benchmark(workflow, profile):
    if not has_plugin(profile):
        pytest.skip(f"the plugin is not installed: pip install -c constraints.txt -e '.[{profile}]'")
    workflow.environment["CSDN_PROFILE"] = profile
    text = workflow.call("scripts/snake", "-n", "all", "--quiet", "reason")
    assert "train_encoder" in text and "mem_mb=6000" in text
    if profile == "kubernetes":
        assert "gpu_manufacturer=nvidia" in text


STATES = {
    "job_state = R": "running",
    "job_state = Q": "running",
    "job_state = F\n    Exit_status = 0": "success",
    "job_state = F\n    Exit_status = 271": "failed",
    "job_state = F": "failed",
    None: "running",  # the server does not answer
}


@pytest.mark.parametrize("told", STATES)
def test_the_status_of_a_pbs_job(tmp_path, told):
    qstat = tmp_path / "qstat"
    qstat.write_text("#!/bin/sh\n" + (f"cat <<E\nJob Id: 7\n    {told}\nE\n" if told else "exit 1\n"))
    qstat.chmod(0o755)
    script = ROOT / "workflow/profiles/generic/status.sh"
    done = subprocess.run([script, "7"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True)
    assert done.stdout.strip() == STATES[told]
