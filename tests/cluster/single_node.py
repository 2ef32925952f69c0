"""A Slurm cluster of this one machine, brought up by hand: own key, own sockets, own ports, all in one folder.

Only a link to its configuration lies where Slurm looks by default, because the plugin for Snakemake takes SLURM_CONF
from the jobs; a machine that has a configuration there is left alone.

By itself it stays up until interrupted: `python tests/cluster/single_node.py FOLDER` prints the SLURM_CONF to use.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel", "srun")
DEFAULT_CONFIGURATION = Path("/etc/slurm/slurm.conf")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost=localhost
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={controller_port}
SlurmdPort={node_port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=5
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=7200
KillWait=5
NodeName=localhost CPUs=2 RealMemory={memory_mb} Gres=gpu:1 State=UNKNOWN
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing() -> str | None:
    """Why no cluster can be brought up here, or None."""
    absent = [name for name in PROGRAMS if not _program(name)]
    if absent:
        return f"{', '.join(absent)} not found: apt-get install slurm-wlm munge"
    if DEFAULT_CONFIGURATION.exists():
        return f"{DEFAULT_CONFIGURATION} is there: this machine is part of a cluster already"
    return None if os.geteuid() == 0 else "Slurm's daemons are started as root"


class SingleNode:
    """The cluster: one node with two processors and a pretended GPU, without accounting."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.environment = dict(os.environ, SLURM_CONF=str(self.folder / "slurm.conf"))
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> SingleNode:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        text = CONFIGURATION.format(
            folder=self.folder, controller_port=_free_port(), node_port=_free_port(), memory_mb=_memory_mb()
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("NodeName=localhost Name=gpu Count=1 File=/dev/null\n")
        DEFAULT_CONFIGURATION.parent.mkdir(exist_ok=True)
        DEFAULT_CONFIGURATION.unlink(missing_ok=True)  # a link to nowhere, of a test that was killed
        DEFAULT_CONFIGURATION.symlink_to(self.folder / "slurm.conf")
        try:
            self._start_munge()
            self._start("slurmctld", "-D")
            self.start_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in ("slurmd", "slurmctld", "munged"):
            self._stop(name)
        DEFAULT_CONFIGURATION.unlink(missing_ok=True)

    def start_node(self) -> None:
        """Start the node's daemon and wait until the controller has it."""
        self._start("slurmd", "-D", "-N", "localhost")
        self._wait_for("idle", "mixed", "allocated")

    def node_goes_down(self) -> None:
        """The node dies with everything on it: the controller gives its jobs up."""
        self.call("scontrol", "update", "nodename=localhost", "state=down", "reason=test")
        self._stop("slurmd")

    def node_comes_back(self) -> None:
        """The daemon starts again, with which the controller takes the node back (ReturnToService)."""
        self.start_node()

    def call(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}\n{self.logs()}")
        return done.stdout

    def running(self) -> dict[str, str]:
        """Comment of each running job, by its id; Snakemake's plugin writes the rule there."""
        lines = self.call("squeue", "--noheader", "--states=RUNNING", "--Format=JobID:20,Comment:200").splitlines()
        return {job: comment.strip() for job, comment in (line.split(maxsplit=1) for line in lines)}

    def logs(self) -> str:
        """The last lines of the daemons' logs."""
        return "\n".join(p.read_text(errors="replace")[-1500:] for p in sorted(self.folder.glob("*.log")))

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        places = ("key-file", "socket", "pid-file", "log-file", "seed-file")
        options = [f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in places]
        self._start("munged", "--foreground", "--force", *options)
        _wait(lambda: (self.folder / "munge.socket").exists(), "munged")

    def _start(self, name: str, *options: str) -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            command = [str(_program(name)), *options]
            self._daemons[name] = subprocess.Popen(
                command, env=self.environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def _stop(self, name: str) -> None:
        daemon = self._daemons.pop(name, None)
        if daemon:
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _wait_for(self, *states: str) -> None:
        def reached() -> bool:
            command = ["sinfo", "--noheader", "--format=%T"]
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)
            return done.stdout.strip() in states

        _wait(reached, "the node", self.logs)


def _wait(reached, what: str, details=str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise RuntimeError(f"{what} did not come up within {seconds} s\n{details()}")
        time.sleep(0.2)


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20 - 512


if __name__ == "__main__":
    with SingleNode(Path(sys.argv[1])) as cluster:
        print(f"export SLURM_CONF={cluster.environment['SLURM_CONF']}", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass
