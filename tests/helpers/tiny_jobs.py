"""Settings of a tiny rendered dataset and a tiny CLIP, and what their jobs depend on."""

from __future__ import annotations

from typing import Any

from csdn.config.params import Params
from csdn.config.tracking import Tracking
from csdn.steps.registry import step_settings
from csdn.steps.selection import Selection

PARAMS = Params.model_validate(
    {
        "datasets": {"sysu_mm01": {"layout": "sysu_mm01", "train_subsets": ["train"], "trials": 2}},
        "benchmark": {
            "sysu_mm01": {
                "train": 10,
                "val": 3,
                "test": 5,
                "train_images": 1,
                "test_images": 2,
                "infrared_factor": 2,
            },
            "pretraining": {"identities": 40, "images": 1, "held_out": 12, "cameras": 2},
        },
        "clip": {
            "weights": "mini",
            "mini": {"width": 8, "head_width": 16, "embed_dim": 16, "text_width": 16},
            "pretraining": {"steps": 3, "batch": 16, "precision": "fp32"},
        },
        "prompts": {"epochs": 1, "batch": 8},
        "fusion": {"epochs": 1},
        "encoder": {
            "epochs": 1,
            "identities": 4,
            "images": 2,
            "warmup_epochs": 0,
            "schedule": "cosine",
            "descriptor": "both_necks",
        },
        "runtime": {"pretraining_threads": 1},
        "variants": {"csdn": {}, "baseline": {"encoder": {"text": "none"}}, "init": {"encoder": {"epochs": 0}}},
    }
)
CHOICE = {"dataset": "sysu_mm01", "split": "default", "seed": 0}


def settings_of(params: Params, name: str, **selection: Any) -> Any:
    """The settings of a step, which tracks nothing."""
    return step_settings(params, name, Selection(**selection), tracking=Tracking(backend="none"))


def step(name: str, **selection: Any) -> Any:
    """The settings of a step of PARAMS."""
    return settings_of(PARAMS, name, **selection)
