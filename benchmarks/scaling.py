"""How the cost of steps grows with the numbers of identities, training images and gallery images."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.measure import seconds
from csdn.config.clip import Backbone
from csdn.data.sampling import identity_batches
from csdn.evaluation.ranking import retrieval_metrics_from_features
from csdn.models.clip_backbone import create_clip
from csdn.models.prompts import PromptBank, TextTower
from csdn.training.prompt_stage import contrastive_step

CPU = torch.device("cpu")


def curves(repeats: int = 3) -> dict[str, list[dict[str, float]]]:
    """Median seconds at each size, on the CPU, with the small CLIP."""
    makers: dict[str, tuple[Callable[[int], Callable[[], Any]], tuple[int, ...]]] = {
        "prompt step by identities": (_prompt_step, (100, 400, 1600, 6400)),
        "epoch of the sampler by images": (_sampler, (1000, 4000, 16000, 64000)),
        "ranking 1,000 queries by gallery": (_ranking, (1000, 4000, 16000, 64000)),
    }
    out = {}
    for name, (make, sizes) in makers.items():
        out[name] = []
        for size in sizes:
            call = make(size)
            call()
            taken = statistics.median(seconds(call, CPU) for _ in range(repeats))
            out[name].append({"size": size, "seconds": taken})
    return out


def _prompt_step(identities: int) -> Callable[[], Any]:
    torch.manual_seed(0)
    tower = TextTower(create_clip(Backbone().architecture, (64, 32)).eval().requires_grad_(False))
    make = dict(banks=2, identities=identities, tokens=4, template="A photo of a {} person.")
    bank = PromptBank(tower, **make, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam([bank.contexts], lr=1e-5, fused=True)
    labels = torch.randint(0, identities, (32,))
    features = torch.randn(64, tower.text_projection.shape[1])
    return lambda: contrastive_step(features, bank.both(labels), labels.repeat(2), None, optimizer, lambda terms: None)


def _sampler(images: int) -> Callable[[], Any]:
    labels = np.arange(images) // 20
    return lambda: sum(1 for _ in identity_batches(labels, labels, 8, 4, np.random.default_rng(0)))


def _ranking(gallery: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((gallery, 64), dtype=np.float32)
    ids = rng.integers(0, gallery // 10, gallery)
    return lambda: retrieval_metrics_from_features(features[:1000], features, ids[:1000], ids)
