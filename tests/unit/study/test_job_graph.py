from __future__ import annotations

import base64
import json
from pathlib import Path

from csdn.config.loading import load_params
from csdn.steps.registry import STEP_VERSIONS
from csdn.study.job_graph import Jobs, count_jobs, duration, job_graph, read_jobs, steps_in_order
from csdn.study.jobs import Job, needs_of_steps, study_jobs


def record(rule: str, log: str, start: float, end: float) -> dict:
    return {"rule": rule, "log": [log], "starttime": start, "endtime": end}


RECORDS = [
    record("train_encoder", "logs/results/train_encoder/a.log", 10, 14),
    record("train_encoder", "logs/results/train_encoder/a.log", 10, 14),  # the job's second file
    record("train_encoder", "logs/results/train_encoder/b.log", 20, 26),
    record("index_images_regdb", "logs/results/index_images/regdb.log", 1, 2),
    {"rule": "touched", "log": ["logs/results/x.log"], "starttime": None, "endtime": None},
]


def test_a_job_counts_once_whatever_it_wrote():
    index, train = Jobs("index_images", 1, 1.0), Jobs("train_encoder", 2, 10.0)
    assert count_jobs(RECORDS, []) == [index, train]
    assert count_jobs(RECORDS, ["score_retrieval", "train_encoder"]) == [train, index]
    assert train.mean == 5.0


def test_draws_are_jobs_of_the_step_that_renders_them():
    logs = [(rule, f"logs/results/{rule}-draw_{draw}.log") for draw in "12" for rule in ("render", "index")]
    names = {"render": "make_dataset_of_draw", "index": "index_images_sysu_mm01-draw_1"}
    found = count_jobs([record(names[rule], log, 1, 2) for rule, log in logs], ["make_dataset"])
    assert [(jobs.step, jobs.count) for jobs in found] == [("make_dataset", 2), ("index_images", 2)]


def write(folder: Path, output: str, content: str, cut: int = 255) -> None:
    """As Snakemake does: the name of the output in base64, long ones in folders."""
    name = base64.urlsafe_b64encode(output.encode()).decode()
    *folders, last = [name[n : n + cut] for n in range(0, len(name), cut)]
    path = folder.joinpath(*(f"@{part}" for part in folders), last)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_records_of_these_folders_are_read(tmp_path: Path):
    assert read_jobs(["results"], records=tmp_path / "none") == []
    write(tmp_path, "results/encoder.safetensors", json.dumps(RECORDS[0]))
    write(tmp_path, "results/deep/encoder.safetensors", json.dumps(RECORDS[2]), cut=10)
    write(tmp_path, "results-smoke/encoder.safetensors", json.dumps(RECORDS[3]))
    write(tmp_path, "results/other", "not json")
    write(tmp_path, "results/list", "[]")
    (tmp_path / "no-base64").write_text("{}")
    assert read_jobs(["data", "results"], records=tmp_path) == [Jobs("train_encoder", 2, 10.0)]


def test_durations_are_told_in_units_that_fit():
    told = [duration(seconds) for seconds in (0.42, 9.96, 41.3, 59.7, 200, 7500)]
    assert told == ["0.4 s", "10.0 s", "41 s", "1 min 0 s", "3 min 20 s", "2 h 5 min"]


def study(pytestconfig, *layers: str) -> list[Job]:
    return study_jobs(load_params([str(pytestconfig.rootpath / name) for name in ("params.yaml", *layers)]))


def test_the_graph_shows_every_step(pytestconfig):
    jobs = study(pytestconfig, "config/smoke.yaml")  # which pre-trains its CLIP
    shown = steps_in_order(jobs)
    assert set(shown) == {*STEP_VERSIONS, "make_dataset_for_clip"} - {"describe_model"}  # that one prints only
    assert len(set(shown.values())) == len(shown)
    svg = str(job_graph(jobs, [Jobs("train_encoder", 2, 3.0)]))
    assert all(f">{step}<" in svg for step in shown)
    assert svg.count('class="edge"') == len(needs_of_steps(jobs)) > len(shown) - 2
    assert "2 jobs, 1.5 s each" in svg


def test_steps_stand_below_what_they_need(pytestconfig):
    jobs = study(pytestconfig)
    shown = steps_in_order(jobs)
    assert all(shown[need][1] < shown[step][1] for need, step in needs_of_steps(jobs))


def test_a_step_alone_in_its_row_stands_below_the_one_it_needs_or_in_the_middle():
    needs = {"render": [], "read": [], "train": ["render", "read"], "embed": ["train"], "explain": ["train"]}
    needs |= {"score": ["embed"], "report": ["score", "explain"]}
    number = {step: position for position, step in enumerate(needs)}
    jobs = [Job(step, tuple(number[need] for need in before)) for step, before in needs.items()]
    expected = {"render": (0, 0), "read": (1, 0), "train": (0.5, 1), "embed": (0, 2), "explain": (1, 2)}
    assert steps_in_order(jobs) == expected | {"score": (0, 3), "report": (0.5, 4)}


def test_a_step_that_the_study_lacks_hands_its_needs_on(pytestconfig):
    svg = str(job_graph(study(pytestconfig, "config/paper.yaml"), []))
    assert "make_dataset" not in svg and "pretrain_clip" not in svg
    assert svg.count('class="edge"') == len(needs_of_steps(study(pytestconfig, "config/paper.yaml")))
    jobs = [Job("index_images", ()), Job("train_encoder", (0,)), Job("embed_images", (0, 1))]
    assert needs_of_steps(jobs) == [("index_images", "train_encoder"), ("train_encoder", "embed_images")]
