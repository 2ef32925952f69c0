"""The jobs of a run: how many there were, how long they took, and the graph of the steps. Pure but for `read_jobs`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from csdn.study.jobs import Job, needs_of_steps

RECORDS = Path(".snakemake/metadata")  # where Snakemake writes one record a file, below the folder it runs in
BOX, ROW, COLUMN, MARGIN = (170, 42), 72, 182, 4  # pixels


@dataclass(frozen=True)
class Jobs:
    """The jobs of one step: `count`, and `seconds` of all of them together (each may have used several cores)."""

    step: str
    count: int
    seconds: float

    @property
    def mean(self) -> float:
        """Seconds of one job."""
        return self.seconds / self.count


def read_jobs(folders: Iterable[str], order: Sequence[str] = (), records: Path = RECORDS) -> list[Jobs]:
    """The last execution of every job that wrote into `folders`, from Snakemake's records; none without them.

    Args:
        folders: results and data folder as the settings name them.
        order: steps in the order in which they are listed; others follow by name.
        records: where Snakemake keeps them; durations are shown, nothing depends on them.
    """
    files = [path for path in sorted(records.rglob("*")) if path.is_file()] if records.is_dir() else []
    roots = tuple(f"{folder}/" for folder in folders)
    found = [_record(path) for path in files if _output(path.relative_to(records)).startswith(roots)]
    return count_jobs([record for record in found if record], order)


def count_jobs(records: list[Mapping[str, Any]], order: Sequence[str]) -> list[Jobs]:
    """Jobs of each step in the given order, then others; records of one log are of one job."""
    jobs: dict[str, dict[str, float]] = {}
    for record in records:
        start, end = record.get("starttime"), record.get("endtime")
        if not start or not end:
            continue
        step, log = step_of_rule(str(record.get("rule"))), str((record.get("log") or [""])[0])
        jobs.setdefault(step, {})[log] = max(float(end) - float(start), 0.0)
    listed = [*(step for step in order if step in jobs), *sorted(set(jobs) - set(order))]
    return [Jobs(step, len(jobs[step]), sum(jobs[step].values())) for step in listed]


def step_of_rule(rule: str) -> str:
    """The step of a rule: there is a rule of `index_images` for each set of images, and one that renders draws."""
    return "index_images" if rule.startswith("index_images_") else rule.removesuffix("_of_draw")


def duration(seconds: float) -> str:
    """Seconds as a reader sees them: `0.4 s`, `41 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def steps_in_order(study: Sequence[Job]) -> dict[str, tuple[float, float]]:
    """Column (0, 1, ... or halfway) and row of each step of a study in its picture, in the order of running.

    A step's row is one below the last step that it needs. Steps of one row stand beside each other; one alone stands
    below the one step that it needs, or in the middle.
    """
    needs = needs_of_steps(study)
    rows: dict[str, int] = {}
    for job in study:
        rows[job.step] = max((rows[study[need].step] + 1 for need in job.needs), default=0)
    found: dict[str, tuple[float, float]] = {}
    for row in range(max(rows.values()) + 1):
        beside = [step for step in rows if rows[step] == row]
        above = [found[need][0] for need, step in needs if step == beside[0]]
        alone = above[0] if len(above) == 1 else 0.5
        found |= {step: (column if len(beside) > 1 else alone, row) for column, step in enumerate(beside)}
    return found


def job_graph(study: Sequence[Job], executed: Iterable[Jobs]) -> Markup:
    """The steps of a study and what each needs, as SVG in the colours of the page.

    Args:
        study: the jobs that the settings call for.
        executed: numbers of jobs and durations, for the steps of which they are known.
    """
    known = {job.step: job for job in executed}
    shown = steps_in_order(study)
    width = MARGIN * 2 + int(max(1, *(column for column, _ in shown.values()))) * COLUMN + BOX[0]
    height = MARGIN * 2 + int(max(row for _, row in shown.values())) * ROW + BOX[1]
    lines = [
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="Graph of the steps" '
        'xmlns="http://www.w3.org/2000/svg">'
    ]
    for source, target in needs_of_steps(study):
        (x1, y1), (x2, y2) = _corner(*shown[source]), _corner(*shown[target])
        x1, x2, y1 = x1 + BOX[0] / 2, x2 + BOX[0] / 2, y1 + BOX[1]
        middle = (y1 + y2) / 2
        lines.append(f'<path class="edge" d="M{x1:g} {y1:g}C{x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2 - 5:g}"/>')
        lines.append(f'<path class="head" d="M{x2 - 4:g} {y2 - 7:g}h8l-4 7z"/>')
    for step, place in shown.items():
        x, y = _corner(*place)
        job = known.get(step)
        lines.append(f'<rect class="step" x="{x:g}" y="{y:g}" width="{BOX[0]}" height="{BOX[1]}" rx="5"/>')
        lines.append(f'<text x="{x + BOX[0] / 2:g}" y="{y + (18 if job else 26):g}">{escape(step)}</text>')
        if job:
            each = f"{job.count} jobs, {duration(job.mean)} each" if job.count > 1 else f"1 job, {duration(job.mean)}"
            lines.append(f'<text class="sub" x="{x + BOX[0] / 2:g}" y="{y + 34:g}">{each}</text>')
    return Markup("".join([*lines, "</svg>"]))  # noqa: S704 - made of the above alone


def _corner(column: float, row: float) -> tuple[float, float]:
    return MARGIN + column * COLUMN, MARGIN + row * ROW


def _output(record: Path) -> str:
    """The file that a record is about: its name in base64, cut into folders `@...` where it is long."""
    try:
        return base64.urlsafe_b64decode("".join(part.removeprefix("@") for part in record.parts)).decode()
    except ValueError:
        return ""


def _record(path: Path) -> Mapping[str, Any] | None:
    """A record, or None where Snakemake wrote something else: durations are shown, nothing depends on them."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
