"""What `auto` means on a machine, what is refused, and what is reported."""

import logging

import pytest
import torch

from csdn.errors import UserError
from csdn.models import device as module
from csdn.models.device import autocast, choose_device, configure_process, products_in, resolve_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(module, "why_no_gpu", lambda: "no NVIDIA driver answers; install one")
    monkeypatch.setattr(module, "claim_gpu_for_process", lambda: None)


@pytest.fixture
def untouched():
    """Threads, determinism and TF32 as they were."""
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = torch.get_num_threads(), [flag.allow_tf32 for flag in flags]
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(before[0])
    for flag, value in zip(flags, before[1], strict=True):
        flag.allow_tf32 = value


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [({}, "fp32"), ({"avx512_f": True}, "fp32"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16")],
)
def test_auto_is_bf16_only_where_the_cpu_computes_in_it(monkeypatch, instructions, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(("able", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_on_a_gpu(monkeypatch, able, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: able)
    assert resolve_precision("auto", GPU) == expected


@pytest.mark.parametrize(("chosen", "expected"), [("fp32", "fp32"), ("bf16", "bf16"), ("tf32", "fp32")])
def test_a_cpu_has_no_tf32(chosen, expected):
    assert resolve_precision(chosen, CPU) == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), "fp32"), ((8, 0), "tf32"), ((9, 0), "tf32")])
def test_gpus_have_tf32_from_ampere_on(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("tf32", GPU) == expected


@pytest.mark.parametrize(
    ("precision", "expected"), [("fp32", torch.float32), ("tf32", torch.float32), ("bf16", torch.bfloat16)]
)
def test_products_have_the_precision(precision, expected):
    a = torch.ones(4, 4)
    with autocast(CPU, precision):
        assert (a @ a).dtype == expected


def test_tf32_is_allowed_inside_and_as_before_afterwards(untouched):
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    for flag in flags:
        flag.allow_tf32 = False
    with products_in("tf32"):
        assert all(flag.allow_tf32 for flag in flags)
        with products_in("fp32"):
            assert not any(flag.allow_tf32 for flag in flags)
        assert all(flag.allow_tf32 for flag in flags)
    assert not any(flag.allow_tf32 for flag in flags)


def test_a_process_has_its_threads_its_device_and_no_tf32(untouched):
    torch.backends.cudnn.allow_tf32 = True  # PyTorch's own default
    compute = configure_process("cpu", threads=1, deterministic=True, precision="bf16")
    assert (compute.device, torch.get_num_threads()) == (CPU, 1)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.allow_tf32
    said = compute.record()
    assert said.pop("name")
    assert said == {"device": "cpu", "precision": "bf16", "tf32": False, "deterministic": True, "threads": 1}


def test_cuda_without_a_gpu_is_refused_with_what_is_missing(no_gpu):
    with pytest.raises(UserError, match=r"runtime\.device: `cuda` .* no NVIDIA driver answers; install one; or set it"):
        choose_device("cuda")


def test_auto_says_why_it_falls_back(no_gpu, caplog):
    with caplog.at_level(logging.WARNING):
        assert choose_device("auto") == CPU
    assert caplog.messages == ["computing on the CPU: no NVIDIA driver answers; install one"]


def test_a_working_driver_with_a_cuda_that_does_not_start_is_reported(monkeypatch, no_gpu):
    def init():
        raise RuntimeError("CUDA unknown error\nand more")

    monkeypatch.setattr(module, "why_no_gpu", lambda: None)
    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(UserError, match=r"PyTorch cannot start CUDA \(CUDA unknown error\); check"):
        choose_device("cuda")
