"""The plan of a study: sums done by hand, and bounds that every schedule keeps."""

import random
import re

import pytest
import yaml

from csdn.cli.main import main
from csdn.config.loading import validate
from csdn.study.jobs import ON_GPU, Job, counts, critical_path, simulate, study_jobs

TRAIN, SCORE = "train_encoder", "score_retrieval"  # with a GPU, and without


def test_two_gpus_share_three_trainings():
    jobs = [Job(TRAIN, ()), Job(TRAIN, ()), Job(TRAIN, ()), Job(SCORE, (2,))]
    seconds = {TRAIN: 10.0, SCORE: 1.0}
    assert critical_path(jobs, seconds) == 11
    assert simulate(jobs, seconds, 1, 1).seconds == 30  # the training that a score waits for goes first
    found = simulate(jobs, seconds, 2, 1)
    assert (found.seconds, found.used) == (20, 0.75)
    assert simulate(jobs, seconds, 3, 1).seconds == 11


def test_a_chain_gains_nothing_from_more_machines():
    jobs = [Job(TRAIN, ()), Job(SCORE, (0,)), Job(TRAIN, (1,))]
    assert {simulate(jobs, {TRAIN: 5.0, SCORE: 2.0}, gpus, gpus).seconds for gpus in (1, 8)} == {12}


@pytest.mark.parametrize("seed", range(20))
def test_every_schedule_keeps_the_bounds_of_graham(seed):
    rng = random.Random(seed)
    jobs = [
        Job(rng.choice([TRAIN, "embed_images"]), tuple(sorted(rng.sample(range(n), min(n, rng.randrange(3))))))
        for n in range(40)
    ]
    seconds = {TRAIN: rng.uniform(1, 9), "embed_images": rng.uniform(1, 9)}
    work, chain = sum(seconds[job.step] for job in jobs), critical_path(jobs, seconds)
    for gpus in (1, 2, 5, 64):
        taken = simulate(jobs, seconds, gpus, 1).seconds
        assert max(work / gpus, chain) - 1e-9 <= taken <= work / gpus + chain * (1 - 1 / gpus) + 1e-9


def test_the_papers_study_has_a_training_for_each_split_and_variant(pytestconfig):
    root = pytestconfig.rootpath
    layers = [yaml.safe_load((root / name).read_text()) for name in ("params.yaml", "config/paper.yaml")]
    from csdn.config.params import merge

    number = counts(study_jobs(validate(merge(*layers))))
    assert (number["train_encoder"], number["embed_images"]) == (48, 48)
    assert (number["learn_prompts"], number["fuse_semantics"]) == (24, 36)
    assert number["score_retrieval"] == 4 * (4 + 10 * 2 + 2)
    assert "pretrain_clip" not in number and "make_dataset" not in number


def test_a_job_takes_a_gpu_where_its_rule_asks_for_one(pytestconfig):
    texts = [path.read_text() for path in sorted((pytestconfig.rootpath / "workflow" / "rules").glob("*.smk"))]
    _, *parts = re.split(r"^ *rule (\w+):$", "".join(texts), flags=re.MULTILINE)
    asks = {name: re.findall(r"\bgpu=(\w+)", body) for name, body in zip(parts[::2], parts[1::2], strict=True)}
    assert all(asks.values()), asks
    assert {name for name, found in asks.items() if "GPUS" in found} == ON_GPU


def test_a_step_without_a_time_is_named(tmp_path, monkeypatch, capsys, pytestconfig):
    monkeypatch.chdir(tmp_path)
    params = ["plan-study", "--params", str(pytestconfig.rootpath / "params.yaml")]
    for arguments, words in (
        ([], "no time of make_dataset, index_images"),
        (["--seconds", "train=3"], "--seconds train=3: the study has no step of this name"),
        (["--seconds", "train_encoder=soon"], "'soon' is no number of seconds"),
        (["--gpus", "0"], "--gpus 0: give numbers"),
    ):
        with pytest.raises(SystemExit) as caught:
            main([*params, *arguments])
        told = capsys.readouterr().err.strip()
        assert caught.value.code == 2 and words in told and len(told.splitlines()) == 1
