"""A job in a fork of the resident process: the same output and exit code, and neither outlives the other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csdn.launch.preloaded import VARIABLE

CSDN = [sys.executable, "-c", "import sys; from csdn.launch.entry_point import main; sys.argv[0] = 'csdn'; main()"]
SERVER = "import sys; from csdn.launch.preloaded import serve; serve(sys.argv[1], int(sys.argv[2]), sys.argv[3:])"
SLEEPER = """
import os, sys, time
from csdn.cli import main as cli
from csdn.launch import preloaded
def main(arguments):
    print(os.getpid(), flush=True)
    time.sleep(60)
cli.main = main
preloaded.serve(sys.argv[1], int(sys.argv[2]), [])
"""


def wait_for(condition):
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("did not happen within 30 s")


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a server in tmp_path and name its socket to the clients."""
    started = []

    def go(code=SERVER, modules=("decimal",)):
        path = tmp_path / "csdn.sock"
        process = subprocess.Popen([sys.executable, "-c", code, str(path), str(os.getpid()), *modules])
        started.append(process)
        wait_for(path.exists)
        monkeypatch.setenv(VARIABLE, str(path))
        return process

    yield go
    for process in started:
        process.terminate()
        process.wait()


def test_a_job_ends_and_speaks_as_it_does_by_itself(start, tmp_path, monkeypatch):
    commands = (["--help"], ["score-retrieval", "--output", "x.json"], ["no-such-step"])
    alone = [subprocess.run([*CSDN, *command], capture_output=True, text=True) for command in commands]
    server = start()
    for command, expected in zip(commands, alone, strict=True):
        found = subprocess.run([*CSDN, *command], capture_output=True, text=True, cwd=tmp_path)
        assert (found.returncode, found.stdout, found.stderr) == (expected.returncode, expected.stdout, expected.stderr)
    assert [result.returncode for result in alone] == [0, 2, 2]
    assert server.poll() is None


def test_the_job_is_a_fork_that_has_the_modules_and_its_own_folder_and_environment(start, tmp_path, monkeypatch):
    code = SERVER.replace(
        "import sys;",
        "import os, sys; from csdn.cli import main as cli; cli.main = lambda a: sys.exit("
        "print(os.getppid(), os.getcwd(), os.environ['MARK'], 'decimal' in sys.modules, a));",
    )
    server = start(code)
    monkeypatch.setenv("MARK", "here")
    outputs = [
        subprocess.run([*CSDN, "a", "b"], capture_output=True, text=True, cwd=tmp_path).stdout.strip() for _ in range(2)
    ]
    assert outputs == [f"{server.pid} {tmp_path} here {late} ['a', 'b']" for late in (False, True)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_ends_with_its_command(start, how):
    start(SLEEPER)
    command = subprocess.Popen([*CSDN, "anything"], stdout=subprocess.PIPE, text=True)
    job = int(command.stdout.readline())
    assert alive(job)
    command.send_signal(how)
    assert command.wait(30) == (128 + signal.SIGTERM if how == signal.SIGTERM else -signal.SIGKILL)
    wait_for(lambda: not alive(job))


def test_a_command_fails_and_its_job_ends_when_the_server_is_killed(start):
    server = start(SLEEPER)
    command = subprocess.Popen([*CSDN, "anything"], stdout=subprocess.PIPE, text=True)
    job = int(command.stdout.readline())
    server.kill()
    assert command.wait(30) == 1
    wait_for(lambda: not alive(job))


def test_it_ends_with_its_parent(tmp_path):
    path = tmp_path / "csdn.sock"
    parent = subprocess.Popen(
        [
            "bash",
            "-c",
            'python=$1; shift; "$python" -c "$1" "$2" $$ & echo $!; wait',
            "_",
            sys.executable,
            SERVER,
            path,
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    server = int(parent.stdout.readline())
    wait_for(path.exists)
    parent.kill()
    wait_for(lambda: not alive(server))
    assert not path.exists()


def test_the_end_of_a_run_leaves_the_next_one_its_server(start, tmp_path):
    first = start()
    inode = (tmp_path / "csdn.sock").stat().st_ino
    start()
    wait_for(lambda: (tmp_path / "csdn.sock").exists() and (tmp_path / "csdn.sock").stat().st_ino != inode)
    first.terminate()
    first.wait()
    assert (tmp_path / "csdn.sock").exists()


def test_without_a_server_or_with_a_dead_one_the_command_does_its_work_itself(tmp_path, monkeypatch):
    for path in (tmp_path / "none.sock", tmp_path / "stale.sock"):
        monkeypatch.setenv(VARIABLE, str(path))
        (tmp_path / "stale.sock").touch()
        assert subprocess.run([*CSDN, "--help"], capture_output=True).returncode == 0


def test_a_server_of_another_installation_is_not_used(start, monkeypatch):
    start(SERVER.replace("import sys;", "import sys; sys.prefix = '/elsewhere';"))
    found = subprocess.run([*CSDN, "no-such-step"], capture_output=True, text=True)
    assert found.returncode == 2


@pytest.mark.slow
def test_nothing_that_is_imported_asks_for_a_gpu():
    """CUDA cannot be used in a fork of a process that has started it."""
    code = """
import importlib, torch

def asked(*_, **__):
    raise AssertionError("CUDA was asked for")

torch._C._cuda_getDeviceCount = torch.cuda.device_count = torch.cuda.is_available = torch.cuda._lazy_init = asked
from csdn.launch.preloaded import MODULES
for module in MODULES:
    importlib.import_module(module)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
