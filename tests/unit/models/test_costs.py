"""Costs against slow twins: real networks, hooks that count convolutions, and modules small enough to count by hand."""

import pytest
import torch
from torch import nn

from csdn.models.clip_backbone import build_tower, create_clip
from csdn.models.costs import Meter, fusion_costs, network_costs, prompt_costs
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import ReIDNetwork
from csdn.models.semantic_integration import build_fusion
from helpers.tiny_clip import register, small_sizes

SIZE, IDENTITIES = (64, 32), 7
TINY = small_sizes(context_length=20)


def by_name(costs):
    return {cost.module: cost for cost in costs}


def tower_flops(module, *inputs):
    """Operations of the convolutions and linear layers in `module`, counted at each of their calls."""
    counted = []

    def count(layer, arguments, output):
        if isinstance(layer, nn.Conv2d):
            counted.append(2 * output.numel() * layer.weight[0].numel())
        elif isinstance(layer, nn.Linear):
            counted.append(2 * output.numel() * layer.in_features)

    hooks = [layer.register_forward_hook(count) for layer in module.modules()]
    module(*inputs)
    for hook in hooks:
        hook.remove()
    return sum(counted)


@pytest.mark.parametrize("model", ["mini", "tiny-vit"])
def test_parameters_are_those_of_the_real_network(tmp_path, model):
    register(tmp_path)
    clip = TINY if model == "mini" else model
    network = ReIDNetwork(
        build_tower(create_clip(clip, SIZE)),
        identities=IDENTITIES,
        classifier_scale=None,
        descriptor="reference",
        generator=torch.Generator(),
    )
    costs = network_costs(clip, SIZE, IDENTITIES, classifier_scale=None, described=True)
    assert sum(cost.trainable for cost in costs) == sum(parameter.numel() for parameter in network.parameters())
    assert ("GeM pooling" in by_name(costs)) == (model == "mini")
    assert by_name(costs)["HSE"].parameters == 0


def test_convolutions_are_counted_as_they_are_called():
    tower = build_tower(create_clip(TINY, SIZE)).eval()
    costs = by_name(network_costs(TINY, SIZE, IDENTITIES, classifier_scale=None, described=True))
    image = torch.zeros(1, 3, *SIZE)
    assert costs["visible stem"].forward_flops == tower_flops(tower.visible_stem, image)
    assert costs["trunk"].forward_flops == tower_flops(tower.layers, tower.visible_stem(image))
    assert costs["HSE"].forward_flops == 2 * tower.embed_dim * IDENTITIES
    assert costs["HSE"].training_flops == 2 * costs["HSE"].forward_flops  # the descriptions get no gradient
    assert costs["identity heads"].forward_flops == 2 * IDENTITIES * (tower.channels + tower.embed_dim)
    # every convolution but the first has a gradient for its input and for its weight
    assert costs["trunk"].training_flops == 3 * costs["trunk"].forward_flops


def test_stage_one_is_counted_by_bank_and_fusion():
    clip = create_clip(TINY, SIZE).requires_grad_(False)
    texts = {"tokens": 3, "template": "A photo of a {} person."}
    bank = PromptBank(TextTower(clip), banks=2, identities=IDENTITIES, **texts, generator=torch.Generator())
    fusion = build_fusion("attention", 16, heads=4, dropout=0.1)
    costs = by_name(prompt_costs(TINY, SIZE, IDENTITIES, banks=2, **texts))
    assert costs["prompts (MsPL)"].trainable == bank.contexts.numel()
    assert costs["text tower"].trainable == 0
    assert costs["text tower"].parameters == sum(each.numel() for each in TextTower(clip).parameters())
    shared = by_name(prompt_costs(TINY, SIZE, IDENTITIES, banks=1, **texts))
    assert shared["prompts (MsPL)"].trainable == bank.contexts.numel() / 2
    (fused,) = fusion_costs(TINY, SIZE, "attention", heads=4, dropout=0.1)
    assert fused.trainable == sum(each.numel() for each in fusion.parameters())


def test_kept_memory_of_a_layer_counted_by_hand():
    """A linear layer keeps its input and a sigmoid its output, in float32; the weight is no activation."""
    layer, rows = nn.Linear(5, 3), torch.zeros(2, 5)
    meter = Meter(layer.parameters())
    hidden = meter.measure("linear", lambda: layer(rows), layer.parameters())
    meter.measure("sigmoid", lambda: hidden.sigmoid(), ())
    meter.measure("again", lambda: layer(rows), layer.parameters())
    assert [cost.activation_bytes for cost in meter.costs] == [4 * 5, 4 * 3, 0]
    assert [cost.forward_flops for cost in meter.costs] == [2 * 5 * 3, 0, 2 * 5 * 3]
    assert [cost.trainable for cost in meter.costs] == [18, 0, 18]
