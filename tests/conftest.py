"""What every test shares."""

import os
from pathlib import Path

import pytest

LONG_FILES = (  # of the quick tier, the longest first
    "workflow/test_smoke.py",
    "workflow/test_plan.py",
    "unit/jobs/test_on_a_gpu_that_is_not_there.py",
    "unit/figures/test_draw.py",
    "unit/reporting/test_browser.py",
    "unit/training/test_resumable.py",
)
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: small tensors gain nothing from more threads


def pytest_configure() -> None:
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, so that no worker of `make test` is left with one of them when the others have ended."""
    tests = Path(__file__).parent
    ranks = {tests / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))
