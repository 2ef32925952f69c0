"""Stage 1b: fused descriptions keep their identities."""

import numpy as np
import torch

from csdn.config.fusion import Fusion
from csdn.jobs.unpacking import stage_one_optimization
from csdn.models.semantic_integration import build_fusion
from csdn.training.fusion_stage import fuse_all, train_fusion
from csdn.training.prompt_stage import describe_all, learn_prompts
from helpers.trainings import UNTIL_THEY_FIT, ignore


def test_fusion_keeps_the_identity_and_trains_nothing_but_itself(bank, stage):
    learn_prompts(bank, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)
    visible, infrared = describe_all(bank)
    torch.manual_seed(0)
    fusion = build_fusion("attention", 16, heads=4, dropout=0.1)
    settings = stage_one_optimization(Fusion(epochs=30, batch=16, learning_rate=0.01, schedule="cosine"))
    history = train_fusion(fusion, visible, infrared, stage, settings, np.random.default_rng(0), ignore)
    assert history[-1]["accuracy_visible"] > 0.8
    assert history[-1]["accuracy_infrared"] > 0.8
    assert fuse_all(fusion, visible, infrared).shape == visible.shape


def test_a_fusion_without_parameters_is_only_evaluated(stage):
    texts = torch.randn(6, 16)
    mean = build_fusion("mean", 16, heads=1, dropout=0.0)
    history = train_fusion(mean, texts, texts, stage, UNTIL_THEY_FIT, np.random.default_rng(0), ignore)
    assert len(history) == 1
    assert set(history[0]) == {"epoch", "accuracy_visible", "accuracy_infrared"}


def test_dropout_is_on_in_the_final_descriptions_only_where_it_is_asked_for():
    texts = torch.randn(6, 16, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    fusion = build_fusion("reference", 16, heads=1, dropout=0.5)
    sound = fuse_all(fusion, texts, texts)
    assert torch.equal(sound, fuse_all(fusion, texts, texts))
    assert not torch.equal(sound, fuse_all(fusion, texts, texts, dropout=True))


def test_a_batch_larger_than_all_images_is_one_step(stage):
    texts = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(0))
    fusion = build_fusion("concat", 16, heads=1, dropout=0.0)
    settings = stage_one_optimization(Fusion(epochs=2, batch=500))
    history = train_fusion(fusion, *texts, stage, settings, np.random.default_rng(0), ignore)
    assert [row["epoch"] for row in history] == [0, 1]
    assert all(np.isfinite(row["loss"]) for row in history)
