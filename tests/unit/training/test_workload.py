"""The work of a training against its own loops, counted batch by batch."""

import numpy as np
import pytest

from csdn.data.sampling import identity_batches, paired_batches
from csdn.models.costs import ModuleCost
from csdn.training.workload import step_activation_bytes, training_flops

VISIBLE, INFRARED = np.repeat(np.arange(6), 5), np.repeat(np.arange(6), 3)
PASSES = {"prompts": (1, 32), "fusion": (1, 64), "encoder": (1, 32)}
COSTS = [
    ModuleCost("prompts (MsPL)", "prompts", 9, 9, "text", 0, 0, 0),
    ModuleCost("text tower", "prompts", 9, 0, "text", 10, 20, 0),
    ModuleCost("fusion (SII)", "fusion", 9, 9, "identity", 1, 3, 0),
    ModuleCost("visible stem", "encoder", 9, 9, "image", 100, 200, 7),
    ModuleCost("infrared stem", "encoder", 9, 9, "image", 1_000, 2_000, 11),
    ModuleCost("trunk", "encoder", 9, 9, "image", 10_000, 30_000, 13),
    ModuleCost("HSE", "encoder", 0, 0, "image", 50, 100, 1),
]


def test_the_work_is_that_of_the_loops():
    passes = {"prompts": (2, 4), "fusion": (3, 8), "encoder": (2, 6)}
    rng = np.random.default_rng(0)
    features = sum(10_100 for _ in VISIBLE) + sum(11_000 for _ in INFRARED)
    fused = 3 * (len(VISIBLE) + len(INFRARED)) // 8 * 8
    views = 0
    for _ in range(2):
        for visible, infrared in identity_batches(VISIBLE, INFRARED, 3, 2, rng):
            views += len(visible) * (2 * (200 + 30_000)) + len(infrared) * (2_000 + 30_000)
            views += (len(visible) + len(infrared)) * 100
    flops = training_flops(COSTS, (len(VISIBLE), len(INFRARED), 6), passes, banks=2)
    assert (flops["fusion"], flops["encoder"]) == (features + fused * 3, views)
    assert step_activation_bytes(COSTS, 6) == 6 * (2 * 7 + 11 + 3 * 13 + 2 * 1)


def test_a_variant_without_descriptions_has_no_stage_one():
    network = [cost for cost in COSTS if cost.stage == "encoder" and cost.module != "HSE"]
    flops = training_flops(network, (30, 18, 6), PASSES, banks=2)
    assert flops["prompts"] == flops["fusion"] == 0
    assert flops["encoder"] > 0


def test_a_batch_of_prompts_reads_each_identity_once():
    rng = np.random.default_rng(0)
    features = sum(10_100 for _ in VISIBLE) + sum(11_000 for _ in INFRARED)
    read = [
        2 * len(np.unique(VISIBLE[rows])) for _ in range(400) for rows, _ in paired_batches(VISIBLE, INFRARED, 4, rng)
    ]
    for banks, share in ((2, 1), (1, 0.5)):
        flops = training_flops(COSTS, (len(VISIBLE), len(INFRARED), 6), PASSES | {"prompts": (400, 4)}, banks)
        # drawn without repetition, a batch holds a few more identities than independent draws would
        assert flops["prompts"] - features == pytest.approx(share * 20 * sum(read), rel=0.06)
