import pytest
import torch

from csdn.training.runtime import autocast, prepare_machine, resolve_precision, set_learning_rate

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [({}, "fp32"), ({"avx512_f": True}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")],
)
def test_auto_is_bf16_only_where_the_cpu_computes_in_it(monkeypatch, instructions, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize("chosen", ["fp32", "tf32", "bf16"])
def test_a_chosen_precision_is_kept(chosen):
    assert resolve_precision(chosen, CPU) == chosen


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_products_have_the_precision(precision, expected):
    a = torch.ones(4, 4)
    with autocast(CPU, precision):
        assert (a @ a).dtype == expected


def test_a_job_has_its_threads_and_device():
    before = torch.get_num_threads()
    try:
        assert prepare_machine("cpu", 1, deterministic=True) == CPU
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(before)


def test_groups_keep_their_factors():
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": parameters[:1], "factor": 4.0}, {"params": parameters[1:]}], lr=1.0)
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [2.0, 0.5]
