from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from benchmarks.measure import interleaved, median_ratio, peak_memory, roofline, work
from benchmarks.speed import COLUMNS, against_loading, aligned, attempt, line, measure
from benchmarks.stages import SCALES, Stage, _embedding, image_memory, stages
from helpers.fake_cuda import GPU, fake_cuda

CPU = torch.device("cpu")
SMALL = replace(SCALES["embedded"], identities=8, people=2, prompts=8)
with fake_cuda():
    NAMES = [name for name in stages(SMALL, GPU) if "compiled" not in name]
LIMITS = {"flops_per_second": 1e9, "bytes_per_second": 1e9}


def test_work_is_counted():
    a, b = torch.ones(10, 20), torch.ones(20, 30)
    flops, moved = work(lambda: F.relu((a @ b).T))
    assert flops == 2 * 10 * 20 * 30
    product, relu = 10 * 20 + 20 * 30 + 10 * 30, 2 * 10 * 30
    assert moved == 4 * (product + relu)  # the transpose moves nothing


def test_backward_passes_are_counted_too():
    weight = torch.ones(20, 30, requires_grad=True)
    flops, _ = work(lambda: (torch.ones(10, 20) @ weight).sum().backward())
    assert flops == 2 * 2 * 10 * 20 * 30


def test_ratios_and_shares():
    assert median_ratio([2.0, 30.0, 4.0], [1.0, 1.0, 1.0]) == 4.0
    assert roofline(10**9, 10, LIMITS, 2.0) == 0.5
    assert roofline(10, 10**9, LIMITS, 4.0) == 0.25


def test_every_round_calls_all_in_turn():
    calls = []
    times = interleaved({name: lambda n=name: calls.append(n) for name in "ab"}, 3, CPU)
    assert calls == list("ababab")
    assert [len(values) for values in times.values()] == [3, 3]


def test_peak_memory_sees_what_a_call_takes_and_frees():
    taken = peak_memory(lambda: torch.ones(64 << 18).sum(), CPU)
    assert taken is None or 60 < taken < 80


def test_a_row_has_everything_that_is_printed():
    def product():
        return torch.ones(64, 64) @ torch.ones(64, 64)

    stage = Stage("product", product, lambda: sum(range(10**5)), 64, "rows", 2.0, counted=product)
    row = measure(stage, 2, CPU, {"fp32": LIMITS})
    assert row["flops"] == 2 * 64**3
    assert row["ratio"] > 0
    assert len(line(row)) == len(aligned(*COLUMNS))


def test_a_stage_that_fails_is_a_row():
    def build():
        raise RuntimeError("expected scalar type Float but found BFloat16\nand more")

    row = attempt("embedding bf16", build, 2, CPU, {"fp32": LIMITS})
    assert line(row) == "embedding bf16             failed: expected scalar type Float but found BFloat16"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_work_of_embedding_is_counted_in_every_precision(precision):
    flops, moved = work(_embedding(SMALL, CPU, precision).counted)
    assert flops > 10**8
    assert moved > 10**6


@pytest.mark.parametrize("name", NAMES)
def test_every_stage_runs_on_a_gpu(name):
    """On fake CUDA tensors. The plain implementations loop over values, which these have not."""
    with fake_cuda():
        stages(SMALL, GPU)[name]().fast()


def test_loading_is_set_against_the_fastest_step():
    rows = [{"stage": "batch", "per_second": 900.0}, {"stage": "visual step fp32", "per_second": 100.0}]
    rows += [{"stage": "visual step bf16", "per_second": 300.0}, {"stage": "visual step tf32", "error": "no"}]
    assert against_loading(rows) == "loading: 900 images a second, 3.0 times the fastest step's"
    assert against_loading(rows[2:]) == "loading: not measured"


def test_a_worker_grows_by_its_batches_alone(tmp_path):
    found = image_memory(400, (64, 32), tmp_path)
    assert found["cache_mib"] > 2 * 400 * 64 * 32 * 3 / 2**20
    assert found["growth_mib"] < 50
