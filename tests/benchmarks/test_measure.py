import torch
import torch.nn.functional as F

from benchmarks.measure import interleaved, median_ratio, peak_memory, roofline, work
from benchmarks.speed import COLUMNS, aligned, line, measure
from benchmarks.stages import Stage, image_memory

CPU = torch.device("cpu")
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
    stage = Stage(
        "product", lambda: torch.ones(64, 64) @ torch.ones(64, 64), lambda: sum(range(10**5)), 64, "rows", 2.0
    )
    row = measure(stage, 2, CPU, {"fp32": LIMITS})
    assert row["flops"] == 2 * 64**3
    assert row["ratio"] > 0
    assert len(line(row)) == len(aligned(*COLUMNS))


def test_a_worker_grows_by_its_batches_alone(tmp_path):
    found = image_memory(400, (64, 32), tmp_path)
    assert found["cache_mib"] > 2 * 400 * 64 * 32 * 3 / 2**20
    assert found["growth_mib"] < 50
