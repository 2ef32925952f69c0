"""How long a study takes on how many GPUs: its real jobs, the time of each, and a simulation of a scheduler. Pure."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from csdn.config.base import EMBEDDED, MINI
from csdn.config.params import Params
from csdn.config.shared_keys import prompt_key, semantics_key
from csdn.study.files import first_run, runs_of, shown_variant, small_clips
from csdn.study.paths import image_set

ON_GPU = {"pretrain_clip", "learn_prompts", "fuse_semantics", "train_encoder", "embed_images", "explain_model"}
"""Steps whose rules ask for a GPU, which a test compares."""


class Job(NamedTuple):
    """A job: the step it runs, and the results it needs, as positions in the list of jobs."""

    step: str
    needs: tuple[int, ...]

    @property
    def gpu(self) -> bool:
        """Whether it takes a GPU."""
        return self.step in ON_GPU


class _Jobs:
    """Collects jobs, each result once."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self._made: dict[tuple[Any, ...], int] = {}

    def add(self, step: str, *result: Any, needs: Iterable[int | None] = ()) -> int:
        """The position of the job that makes this result of `step`."""
        if (step, *result) not in self._made:
            self._made[step, *result] = len(self.jobs)
            self.jobs.append(Job(step, tuple(sorted({need for need in needs if need is not None}))))
        return self._made[step, *result]


def study_jobs(params: Params) -> list[Job]:
    """Every job of the workflow with these settings, each after those that it needs.

    Snakemake's rules say the same once more, but it answers only in a folder with the workflow, in seconds, and for no
    more than 10,000 jobs. A test compares this list with its graph, job by job.
    """
    jobs = _Jobs()
    clips = {
        draw: jobs.add("pretrain_clip", draw, needs=[jobs.add("make_dataset_for_clip", draw)])
        for draw in small_clips(params)
    }
    scores: list[int] = []
    explained: list[int] = []
    for dataset, settings in params.datasets.items():
        shown = shown_variant(params, dataset)
        for run in runs_of(params, dataset):
            images_of_split = image_set(params, dataset, run["split"])
            rendered = jobs.add("make_dataset", images_of_split) if settings.root == EMBEDDED else None
            images = jobs.add("index_images", images_of_split, needs=[rendered])
            pretrained = params.variant(run["variant"]).clip.weights == MINI
            started = [images, clips[params.clip_draw(dataset, run["split"])] if pretrained else None]
            trained = _training(jobs, params, run, started)
            embedded = jobs.add("embed_images", *run.values(), needs=[images, trained])
            scores += [
                jobs.add("score_retrieval", *run.values(), name, needs=[images, embedded])
                for name in params.scores_of(dataset)
            ]
            if shown and run == first_run(params, dataset, shown):
                explained.append(jobs.add("explain_model", dataset, needs=[*started, trained]))
    tables = jobs.add("compare_variants", needs=scores)
    costs = jobs.add("compare_costs", needs=[tables])
    figures = jobs.add("draw_figures", needs=[tables, *explained])
    report = jobs.add("write_report", needs=[costs, figures])
    jobs.add("track_scores", needs=[report])
    return jobs.jobs


def _training(jobs: _Jobs, params: Params, run: Mapping[str, Any], needs: list[int | None]) -> int:
    """The job that trains a run's encoder, with those before it that variants share."""
    dataset, split, variant, seed = run.values()
    key = semantics_key(params, variant)
    if key is not None:
        prompts = jobs.add("learn_prompts", dataset, split, prompt_key(params, variant), seed, needs=needs)
        needs = [*needs, jobs.add("fuse_semantics", dataset, split, key, seed, needs=[*needs, prompts])]
    return jobs.add("train_encoder", *run.values(), needs=needs)


def needs_of_steps(jobs: Sequence[Job]) -> list[tuple[str, str]]:
    """(step, step that needs it), less what follows from others: each step beside those that it directly waits for."""
    direct: dict[str, set[str]] = {}
    for job in jobs:
        direct.setdefault(job.step, set()).update(jobs[need].step for need in job.needs)

    def before(step: str) -> set[str]:
        return direct[step].union(*(before(need) for need in direct[step]))

    return [
        (need, step)
        for step, needs in direct.items()
        for need in sorted(needs)
        if not any(need in before(other) for other in needs)
    ]


@dataclass(frozen=True)
class Simulated:
    """What the simulation of one cluster gave: `seconds` on the clock, and the share of its GPUs' time that is used."""

    gpus: int
    seconds: float
    used: float


def tails(jobs: Sequence[Job], seconds: Mapping[str, float]) -> list[float]:
    """For each job, the longest chain of seconds from its start to the end of the study."""
    out = [seconds[job.step] for job in jobs]
    for position in range(len(jobs) - 1, -1, -1):  # what needs a job comes after it
        for need in jobs[position].needs:
            out[need] = max(out[need], seconds[jobs[need].step] + out[position])
    return out


def critical_path(jobs: Sequence[Job], seconds: Mapping[str, float]) -> float:
    """Seconds that the study takes with machines without end."""
    return max(tails(jobs, seconds), default=0.0)


def simulate(jobs: Sequence[Job], seconds: Mapping[str, float], gpus: int, cpus: int) -> Simulated:
    """List scheduling: whenever a machine is free, the ready job with the longest chain after it starts there.

    Args:
        jobs: of `study_jobs`.
        seconds: of a job of each step.
        gpus: jobs that take a GPU and run at once, one each.
        cpus: jobs that take none and run at once.
    """
    priority = tails(jobs, seconds)
    missing = [len(job.needs) for job in jobs]
    followers: list[list[int]] = [[] for _ in jobs]
    for position, job in enumerate(jobs):
        for need in job.needs:
            followers[need].append(position)
    ready: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
    free = {True: gpus, False: cpus}
    running: list[tuple[float, int]] = []
    now = busy = 0.0

    def make_ready(position: int) -> None:
        heapq.heappush(ready[jobs[position].gpu], (-priority[position], position))

    for position, count in enumerate(missing):
        if not count:
            make_ready(position)
    while running or any(ready.values()):
        for kind, waiting in ready.items():
            while waiting and free[kind]:
                position = heapq.heappop(waiting)[1]
                free[kind] -= 1
                heapq.heappush(running, (now + seconds[jobs[position].step], position))
        now, ended = heapq.heappop(running)
        free[jobs[ended].gpu] += 1
        busy += seconds[jobs[ended].step] if jobs[ended].gpu else 0.0
        for follower in followers[ended]:
            missing[follower] -= 1
            if not missing[follower]:
                make_ready(follower)
    return Simulated(gpus, now, busy / (gpus * now) if now else 0.0)


def counts(jobs: Iterable[Job]) -> Counter[str]:
    """Jobs of each step, in the order of the list."""
    return Counter(job.step for job in jobs)
