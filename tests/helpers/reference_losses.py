"""Cases of the reference implementation, and tensors that take gradients."""

from pathlib import Path

import numpy as np
import torch

FIXTURES = Path(__file__).parents[1] / "fixtures"


def cases(name: str) -> list[dict[str, np.ndarray]]:
    with np.load(FIXTURES / f"{name}.npz") as arrays:
        keys = sorted({key.split("_")[0] for key in arrays.files})
        return [{k[len(c) + 1 :]: arrays[k] for k in arrays.files if k.startswith(c + "_")} for c in keys]


def leaf(array: np.ndarray) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def parameters(arrays: np.lib.npyio.NpzFile, prefix: str = "param.") -> dict[str, torch.Tensor]:
    """A state dict that was saved with what it computes."""
    return {k.removeprefix(prefix): torch.tensor(arrays[k]) for k in arrays.files if k.startswith(prefix)}
