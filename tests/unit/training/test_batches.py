"""Batches are the same wherever they are augmented."""

import numpy as np
import pytest
import torch

from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.jobs.unpacking import encoder_arguments
from csdn.training.batches import _raw_batches, augmented_batches, batches_on_device

BATCHING, *_ = encoder_arguments(Encoder(identities=3, images=2), Fidelity())


def check(images, device):
    expected = list(augmented_batches(images, BATCHING, np.random.default_rng(0)))
    raw_batches = _raw_batches(images, BATCHING, np.random.default_rng(0))
    made = list(batches_on_device(raw_batches, BATCHING.augmenter, device))
    assert len(made) == len(expected) == 5
    for own, other in zip(made, expected, strict=True):
        assert own.visible.shape == (12, 3, 32, 16)
        assert own.infrared.shape == (6, 3, 32, 16)
        for tensor, twin in zip(own, other, strict=True):
            assert tensor.device.type == device.type
            torch.testing.assert_close(tensor.cpu(), twin, atol=2e-6, rtol=0)


def test_the_code_of_the_device_makes_the_batches_of_the_host(images):
    check(images, torch.device("cpu"))


@pytest.mark.gpu
def test_a_gpu_makes_the_batches_of_the_host(images):
    check(images, torch.device("cuda"))


def test_the_generator_ends_an_epoch_in_the_same_state_everywhere(images):
    states = []
    for make in (
        augmented_batches,
        lambda *arguments: batches_on_device(_raw_batches(*arguments), BATCHING.augmenter, torch.device("cpu")),
    ):
        rng = np.random.default_rng(0)
        list(make(images, BATCHING, rng))
        states.append(rng.bit_generator.state)
    assert states[0] == states[1]
