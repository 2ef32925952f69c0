"""The subcommand plan-study: what a study costs and how long it takes, before it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from csdn.config.params import Params
from csdn.errors import UserError, printable
from csdn.study.job_graph import duration, read_jobs, steps_in_order
from csdn.study.jobs import counts, critical_path, simulate, study_jobs


def run_plan_study(
    params: Params, given: Sequence[str], records: Path, folders: Sequence[str], gpus: Sequence[int], cpus: int
) -> dict[str, Any]:
    """Count the jobs of a study, time them and simulate it.

    Args:
        params: the study.
        given: `STEP=SECONDS`, which count as assumed and win over what was measured.
        records: Snakemake's records of the run whose jobs were measured; folders: its results and data.
        gpus: sizes of the cluster; cpus: jobs without a GPU that run at once, for each GPU.

    Returns:
        `steps`: for each step `step`, `jobs`, `seconds` of one and `source`; `gpu_hours`, `critical_path` in seconds,
        and `clusters`: `gpus`, `seconds` and `used`.

    Raises:
        UserError: a step has no time, or an option is wrong.
    """
    jobs = study_jobs(params)
    number = counts(jobs)
    measured = {found.step: found.mean for found in read_jobs(folders, records=records)}
    assumed = _assumed(given, number)
    seconds = {step: assumed.get(step, measured.get(step, -1.0)) for step in number}
    unknown = [step for step in steps_in_order(jobs) if seconds[step] < 0]
    if unknown:
        raise UserError(
            f"plan-study: no time of {', '.join(unknown)}; measure one with `make demo` (records: {records}) or give "
            f"it with --seconds {unknown[0]}=..."
        )
    source = {step: "assumed" if step in assumed else "measured" for step in number}
    steps = [
        {"step": step, "jobs": number[step], "seconds": seconds[step], "source": source[step]}
        for step in steps_in_order(jobs)
    ]
    return {
        "steps": steps,
        "gpu_hours": sum(seconds[job.step] for job in jobs if job.gpu) / 3600,
        "critical_path": critical_path(jobs, seconds),
        "cpus_per_gpu": cpus,
        "clusters": [asdict(simulate(jobs, seconds, count, count * cpus)) for count in gpus],
    }


def print_study(study: Mapping[str, Any]) -> None:
    """Print the study as two tables of Markdown."""
    print("| step | jobs | one takes | all take | time |\n| --- | ---: | ---: | ---: | --- |")
    for row in study["steps"]:
        one, together = duration(row["seconds"]), duration(row["seconds"] * row["jobs"])
        print(f"| {row['step']} | {row['jobs']:,} | {one} | {together} | {row['source']} |")
    print(
        f"\n{sum(row['jobs'] for row in study['steps']):,} jobs, {study['gpu_hours']:,.1f} GPU-hours; longest chain "
        f"{duration(study['critical_path'])}\n\n| GPUs | the study takes | GPUs in use |\n| ---: | ---: | ---: |"
    )
    for row in study["clusters"]:
        print(f"| {row['gpus']:,} | {duration(row['seconds'])} | {100 * row['used']:.0f} % |")


def _assumed(given: Sequence[str], steps: Mapping[str, int]) -> dict[str, float]:
    out = {}
    for text in given:
        step, _, value = text.partition("=")
        if step not in steps:
            raise UserError(
                f"--seconds {printable(text)}: the study has no step of this name; it has {', '.join(steps)}"
            )
        try:
            out[step] = float(value)
        except ValueError:
            out[step] = -1.0
        if not 0 <= out[step] < float("inf"):
            raise UserError(f"--seconds {printable(text)}: {value!r} is no number of seconds; give e.g. {step}=90")
    return out
