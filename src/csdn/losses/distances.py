"""Pairwise distances shared by the metric losses."""

import torch


def euclidean_distances(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Euclidean distances (N, M) between the rows of `a` (N, dim) and `b` (M, dim).

    Squared distances are at least 1e-12, so that the gradient is finite for equal rows.
    """
    squared = a.square().sum(1, keepdim=True) + b.square().sum(1) - 2 * a @ b.T
    return squared.clamp(min=1e-12).sqrt()


def mean_distance(features: torch.Tensor) -> torch.Tensor:
    """Mean Euclidean distance between different rows of `features` (N, dim), N > 1: a scalar without gradient."""
    return torch.pdist(single(features.detach())).mean()


def same_identity(ids_a: torch.Tensor, ids_b: torch.Tensor) -> torch.Tensor:
    """Mask (N, M): True for rows of the same person."""
    return ids_a[:, None] == ids_b[None, :]


def single(tensor: torch.Tensor) -> torch.Tensor:
    """`tensor` in float32 if it has half precision, otherwise unchanged."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
