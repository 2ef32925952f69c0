"""Generalised-mean pooling."""

import math

import torch
from torch import nn


class GeneralizedMeanPooling(nn.Module):
    """Pool a map (N, C, H, W) to (N, C) by the power mean over positions with a learnable exponent.

    Computed at least in float32: powers of small numbers vanish in bfloat16. Source: Radenovic et al., TPAMI 2019.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([p]))
        self.eps = eps

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) -> (N, C); values below eps are raised to eps."""
        if maps.dtype in (torch.bfloat16, torch.float16):
            maps = maps.float()
        # mean(x^p)^(1/p) through logarithms: one exponential per position; powers and their gradients would take four
        logs = maps.flatten(2).clamp(min=self.eps).log()
        return (((self.p * logs).logsumexp(2) - math.log(logs.shape[2])) / self.p).exp()
