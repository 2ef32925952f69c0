"""Runs Snakemake many times without importing it each time: forks for every request, a line of JSON on stdin.

A request is `{"arguments", "folder", "environment", "output"}`; the answer is the exit status, on a line of its own.
"""

import gc
import importlib
import json
import os
import sys

import snakemake.cli

LATE = (  # what Snakemake imports only once it has read its arguments, or a Snakefile, and what ours imports
    *("snakemake.api", "snakemake.assets", "snakemake.profiles", "snakemake.report.html_reporter"),
    *("snakemake.scheduling.job_scheduler", "snakemake.storage", "docutils.parsers.rst", "smart_open", "requests"),
    *("csdn.launch.run_lock", "csdn.launch.workflow", "csdn.steps.registry", "csdn.study.files", "csdn.study.paths"),
)


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
    for module in LATE:
        importlib.import_module(module)
    snakemake.cli.get_argument_parser()  # finds every plugin
    gc.freeze()  # a collection in a fork leaves the shared pages alone
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
