"""Learning rates against the authors' schedules."""

import json
from pathlib import Path

import pytest

from csdn.training.schedules import encoder_learning_rate, pretraining_learning_rate, prompt_learning_rate

EXPECTED = json.loads((Path(__file__).parents[2] / "fixtures" / "lr_schedules.json").read_text())


def test_prompt_schedule_is_the_references():
    rates = [prompt_learning_rate(e + 0.5, 60, 3e-4, "reference") for e in range(60)]
    assert rates == pytest.approx(EXPECTED["stage1_and_2_epochs_0_59"], rel=1e-9)


def test_encoder_schedule_is_the_references():
    make = dict(warmup=10, milestones=(40, 70))
    rates = [encoder_learning_rate(e + 0.5, 120, 3e-4, "multistep", **make) for e in range(120)]
    assert rates == pytest.approx([body for body, _ in EXPECTED["stage3_epochs_0_119_body_and_classifier"]], rel=1e-9)


def test_cosines_start_at_the_peak_and_end_near_zero():
    assert prompt_learning_rate(0, 10, 1e-3, "cosine") == 1e-3
    assert encoder_learning_rate(0, 10, 1e-3, "cosine", warmup=1) == pytest.approx(1e-5)
    assert encoder_learning_rate(1, 10, 1e-3, "cosine", warmup=1) > 0.9e-3
    assert encoder_learning_rate(9.99, 10, 1e-3, "cosine", warmup=1) < 1e-6
    assert pretraining_learning_rate(0, 100, 1e-3, 10) == pytest.approx(1e-4)
    assert pretraining_learning_rate(99, 100, 1e-3, 10) < 1e-6
