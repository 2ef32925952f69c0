"""The smoke DAG through the profile `slurm`, on a real Slurm of one node that loses a job and fails on the way."""

import hashlib
import importlib.util
import subprocess
import time
from collections.abc import Iterator

import pytest

from workflow.conftest import Workflow

from . import single_node

PLUGIN = "snakemake_executor_plugin_slurm"
LAYERS = ("--configfile", "params.yaml", "config/smoke.yaml")
QUICK = (
    *("--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"),
    *("--latency-wait", "10", "--default-resources", "mem_mb=2000", "runtime=60", "slurm_partition=main"),
)
RESULTS = ("scores/*.json", "scores/*.parquet", "*.safetensors", "tables/components.csv")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture
def cluster(tmp_path) -> Iterator[single_node.SingleNode]:
    if reason := single_node.missing():
        pytest.skip(reason)
    if importlib.util.find_spec(PLUGIN) is None:
        pytest.skip(f"{PLUGIN} is not installed: pip install -c constraints.txt -e '.[slurm]'")
    with single_node.SingleNode(tmp_path / "slurm") as cluster:
        yield cluster


def digests(workflow: Workflow) -> dict[str, str]:
    results = workflow.folder / "results-smoke"
    found = [p for pattern in RESULTS for p in results.rglob(pattern) if p.relative_to(results).parts[0] != "mlruns"]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def wait_for_rule(cluster, run, rule: str, seconds: float = 300) -> str:
    """The id of a running job of this rule."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for job, comment in cluster.running().items():
            if comment == f"rule_{rule}" or comment.startswith(f"rule_{rule}_"):
                return job
        assert run.poll() is None, "the run ended before"
        time.sleep(0.3)
    raise AssertionError(f"no job of {rule} within {seconds} s")


def state(cluster, job: str) -> str:
    return cluster.call("squeue", "--noheader", "--states=all", "--format=%T", "--jobs", job).strip()


def test_the_smoke_dag_ends_alike_with_a_job_cancelled_and_a_node_lost(tmp_path, cluster, server, capsys):
    local = Workflow(tmp_path / "local", server, fake=False)
    local.snakemake("all", *LAYERS)

    remote = Workflow(tmp_path / "remote", server, fake=False)
    remote.environment |= {"SLURM_CONF": cluster.environment["SLURM_CONF"], "CSDN_PROFILE": "slurm"}
    command = ["scripts/snake", "all", *LAYERS, *QUICK, "--set-resources", "train_encoder:gpu=1"]
    started = time.monotonic()
    with (tmp_path / "output.txt").open("w") as output:
        run = subprocess.Popen(
            command, cwd=remote.folder, env=remote.environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            lost = wait_for_rule(cluster, run, "pretrain_clip")
            time.sleep(2)
            cluster.node_goes_down()
            cluster.node_comes_back()
            cancelled = wait_for_rule(cluster, run, "train_encoder")
            assert "gres:gpu:1" in cluster.call("scontrol", "show", "job", cancelled)
            time.sleep(2)
            cluster.call("scancel", cancelled)
            code = run.wait(2400)
        finally:
            run.kill()  # told to end it would wait for its jobs
            run.wait()
    text = (tmp_path / "output.txt").read_text()
    assert code == 0, text[-6000:]
    seconds = time.monotonic() - started

    assert state(cluster, cancelled) == "CANCELLED"
    assert "Restarts=1" in cluster.call("scontrol", "show", "job", lost)
    assert text.count("Trying to restart job") == 1
    assert "mem_mb=6000" in text and "mem_mb=12000" in text  # more at the second attempt
    assert digests(remote) == digests(local)
    assert len([name for name in digests(local) if name.endswith(".parquet")]) == 8
    assert remote.plan("all", *LAYERS) == {}
    assert list((remote.folder / "logs/slurm").rglob("*.log"))
    jobs = len(cluster.call("squeue", "--noheader", "--states=all").splitlines())
    with capsys.disabled():
        print(f"\n{jobs} jobs of Slurm in {seconds:.0f} s; {lost} lost with its node, {cancelled} cancelled")
