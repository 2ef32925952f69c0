"""One run at a time: held by the process, released by its death, told in one line."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from csdn.errors import UserError
from csdn.launch.run_lock import hold_run_lock

HOLDER = """
import subprocess, sys, time
from csdn.launch.run_lock import hold_run_lock
handle = hold_run_lock(sys.argv[1])
subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL)  # a job, which will outlive us
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_run_is_refused_until_the_first_is_dead(tmp_path):
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        first.stdout.readline()
        with pytest.raises(UserError) as caught:
            hold_run_lock(tmp_path)
        message = f"another run of the pipeline is active in {tmp_path} (process {first.pid}); wait for it or stop it"
        assert str(caught.value) == message
        (tmp_path / ".snakemake/locks").mkdir()
        (tmp_path / ".snakemake/locks/0.output.lock").write_text("results/report.html")
        first.kill()
        first.wait()
        handle = hold_run_lock(tmp_path)  # though a job of the killed run still lives
        assert list((tmp_path / ".snakemake/locks").iterdir()) == []
        os.close(handle)
        os.close(hold_run_lock(tmp_path))
    finally:
        os.killpg(first.pid, signal.SIGKILL)


def test_a_lock_that_was_handed_over_is_this_runs(tmp_path, monkeypatch):
    """scripts/snake holds the lock before it becomes Snakemake; the same open file, so no second run."""
    (tmp_path / ".snakemake").mkdir()
    handle = os.open(tmp_path / ".snakemake/run.flock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another run"):
        hold_run_lock(tmp_path)
    monkeypatch.setenv("CSDN_RUN_LOCK", str(handle))
    assert hold_run_lock(tmp_path) == handle
    assert not os.get_inheritable(handle)
    other = tmp_path / "other"
    other.mkdir()
    own = hold_run_lock(other)  # the file is that of another folder
    assert own != handle
    os.close(own)
    os.close(handle)


def test_dvc_at_work_is_named(tmp_path):
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    with (tmp_path / ".dvc/tmp/lock").open("w") as handle:
        os.close(hold_run_lock(tmp_path))  # a file that nobody holds
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"DVC is at work in .*; wait for it or stop it"):
            hold_run_lock(tmp_path)
    os.close(hold_run_lock(tmp_path))
