"""What tests of several trainings share."""

import torch

from csdn.config.prompts import Prompts
from csdn.jobs.unpacking import stage_one_optimization

CPU = torch.device("cpu")
BY_DEFAULT = {"sampled": False, "training": False, "normalization": "clip"}  # how images are embedded for stage 1
UNTIL_THEY_FIT = stage_one_optimization(Prompts(epochs=100, batch=8, learning_rate=0.03, schedule="cosine"))


def ignore(row):
    """An on_epoch or progress that does nothing."""


def state(module):
    """Copies of all parameters and buffers, including those that are not saved."""
    return {name: value.clone() for name, value in [*module.named_parameters(), *module.named_buffers()]}


def assert_untouched(module, before):
    """That a module is as `state` found it, and that nothing of it was or can be trained."""
    after = dict([*module.named_parameters(), *module.named_buffers()])
    assert after.keys() == before.keys()
    assert [name for name, value in before.items() if not torch.equal(value, after[name])] == []
    assert [name for name, parameter in module.named_parameters() if parameter.grad is not None] == []
    assert not any(parameter.requires_grad for parameter in module.parameters())
