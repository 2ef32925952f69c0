import torch

from csdn.training.optimizers import set_learning_rate


def test_groups_keep_their_factors():
    parameters = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": parameters[:1], "factor": 4.0}, {"params": parameters[1:]}], lr=1.0)
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [2.0, 0.5]
