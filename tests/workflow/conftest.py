"""A copy of the repository's workflow in a folder of its own, run with Snakemake."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from copy import copy
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from csdn.study.job_graph import step_of_rule

ROOT = Path(__file__).parents[2]
COPIED = ("workflow", "scripts", "config", "params.yaml", "dvc.yaml", ".dvcignore")
FAKE = f'#!/bin/sh\nexec {sys.executable} -S {Path(__file__).parent / "fake_csdn.py"} "$@"\n'


class Server:
    """Snakemake, imported once (see snakemake_server.py)."""

    def __init__(self, folder: Path) -> None:
        self.output = folder / "output.txt"
        command = [sys.executable, str(Path(__file__).parent / "snakemake_server.py")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
        """Exit status and everything printed."""
        request = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": environment,
            "output": str(self.output),
        }
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline()), self.output.read_text()


class Workflow:
    """A working directory with the workflow in it."""

    def __init__(self, folder: Path, server: "Server", *, fake: bool) -> None:
        self.folder = folder
        self.server = server
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, folder / name)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "CSDN_"))}
        self.environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment |= {"DO_NOT_TRACK": "true", "DVC_NO_ANALYTICS": "true"}
        if fake:
            (folder / "bin").mkdir()
            command = folder / "bin" / "csdn"
            command.write_text(FAKE)
            command.chmod(0o755)
            self.environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{self.environment['PATH']}"

    def copy(self, folder: Path) -> "Workflow":
        """The same in another folder, with results, records and times."""
        shutil.copytree(self.folder, folder)
        return self.at(folder)

    def at(self, folder: Path) -> "Workflow":
        """The same commands in a folder that is there already."""
        other = copy(self)
        other.folder = folder
        return other

    def call(self, *command: str, check: bool = True) -> str:
        """Run a command in the folder and return everything it prints."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout[-6000:]}")
        return done.stdout

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake in the folder and return everything it prints."""
        status, text = self.server.run(["--cores", "2", *arguments], self.folder, self.environment)
        if check and status:
            pytest.fail(f"snakemake {' '.join(arguments)} exited with {status}:\n{text[-6000:]}")
        return text

    def plan(self, *arguments: str) -> Counter[str]:
        """The steps that a run would execute, with the number of jobs of each."""
        counts: Counter[str] = Counter()
        lines = iter(self.snakemake("-n", *arguments, "--quiet", "reason").splitlines())
        for line in lines:
            if line.split() == ["job", "count"]:
                next(lines)
                for row in lines:
                    name, count = row.split()
                    if name == "total":
                        return counts
                    if name not in ("all", "data", "train", "evaluation"):
                        counts[step_of_rule(name)] += int(count)
        return counts

    def calls(self) -> list[dict]:
        """What the stand-in was asked to do since the last time."""
        path = self.folder / "calls.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def run(self, *arguments: str) -> Counter[str]:
        """Run for real and count the steps that ran."""
        self.snakemake(*arguments)
        return Counter(call["step"] for call in self.calls())

    def change(self, **sections: dict) -> None:
        """Lay values over params.yaml."""
        from csdn.config.params import merge

        path = self.folder / "params.yaml"
        path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), sections)))


class SmallRun(NamedTuple):
    """A finished run, which tests must not change, what it printed, and what the stand-in was asked to do."""

    workflow: Workflow
    text: str
    calls: list[dict]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Snakemake, imported once."""
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.process.stdin.close()
    server.process.wait()


@pytest.fixture
def workflow(tmp_path, server):
    """The workflow, freshly cloned, with a stand-in for the commands."""
    return Workflow(tmp_path / "clone", server, fake=True)


@pytest.fixture(scope="session")
def small_run(tmp_path_factory, server):
    """A run of three variants on one set of people, where no GPU can be used, whatever this machine has."""
    workflow = Workflow(tmp_path_factory.mktemp("small") / "clone", server, fake=True)
    workflow.change(
        datasets={"regdb": None, "sysu_mm01": {"splits": ["default"], "variants": ["baseline", "mspl", "csdn"]}},
        evaluation={"protocols": ["sysu_all_single", "sysu_indoor_single"]},
        tracking={"store": "their store"},
    )
    workflow.environment["CUDA_VISIBLE_DEVICES"] = ""
    return SmallRun(workflow, workflow.snakemake(), workflow.calls())


@pytest.fixture
def small(small_run, tmp_path):
    """A copy of the small run, to change."""
    return small_run.workflow.copy(tmp_path / "clone")
