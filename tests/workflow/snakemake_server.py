"""Runs Snakemake many times without importing it each time: forks for every request, a line of JSON on stdin.

A request is `{"arguments", "folder", "environment", "output"}`; the answer is the exit status, on a line of its own.
"""

import json
import os
import sys

import snakemake.api
import snakemake.cli
import snakemake.scheduling.job_scheduler

import csdn.steps.registry  # noqa: F401  the Snakefile imports it


def run(arguments: list[str], folder: str, environment: dict[str, str], output: str) -> None:
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["snakemake", *arguments]
    snakemake.cli.main(arguments)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                run(**json.loads(line))
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
