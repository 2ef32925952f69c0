"""What every test shares."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: small tensors gain nothing from more threads


def pytest_configure() -> None:
    import torch

    torch.set_num_threads(1)
