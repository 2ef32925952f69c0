"""Distances of rows: those of the definition, with gradients that are finite for equal rows."""

import math

import pytest
import torch

from csdn.losses.distances import euclidean_distances, mean_distance, same_identity, single


def test_distances_are_those_of_the_definition():
    a, b = torch.tensor([[0.0, 0.0], [1.0, 1.0]]), torch.tensor([[3.0, 4.0], [1.0, 1.0], [1.0, 0.0]])
    expected = torch.tensor([[5.0, math.sqrt(2), 1.0], [math.sqrt(13), 0.0, 1.0]])
    torch.testing.assert_close(euclidean_distances(a, b), expected, atol=2e-6, rtol=1e-6)


def test_equal_rows_have_a_finite_gradient_and_no_pull():
    rows = torch.ones(3, 4, requires_grad=True)
    euclidean_distances(rows, rows).sum().backward()
    assert torch.equal(rows.grad, torch.zeros(3, 4))


def test_the_mean_distance_is_that_of_all_pairs_and_has_no_gradient():
    rows = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 12.0]], requires_grad=True)
    found = mean_distance(rows)
    assert found.item() == pytest.approx((5 + 12 + math.sqrt(73)) / 3, abs=1e-6) and not found.requires_grad


def test_pairs_of_one_person_are_marked():
    assert same_identity(torch.tensor([1, 2]), torch.tensor([2, 1, 1])).tolist() == [
        [False, True, True],
        [True, False, False],
    ]


def test_only_half_precision_becomes_single():
    kinds = {kind: single(torch.ones(1, dtype=kind)).dtype for kind in (torch.float16, torch.bfloat16, torch.float64)}
    assert kinds == {torch.float16: torch.float32, torch.bfloat16: torch.float32, torch.float64: torch.float64}
