"""The costs of each module: trainable parameters, floating-point operations and activation memory.

Everything is built and run on the meta device, where tensors have shapes but no values, so sizes are exact, nothing is
computed, and even the largest model takes seconds. A model that does not exist, or that the size (H, W) of the images
does not fit, is a UserError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from csdn.models.clip_backbone import Architecture, ImageTower, Size, build_tower, create_clip
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import Features, ReIDNetwork
from csdn.models.resnet_tower import TwoStreamResNet
from csdn.models.semantic_integration import build_fusion

PROMPTS, FUSION, ENCODER = "prompts", "fusion", "encoder"  # values of ModuleCost.stage
IMAGE, TEXT, IDENTITY = "image", "text", "identity"  # values of ModuleCost.unit
BATCH = 2  # batch normalisation needs at least two; every cost is divided by it
META = torch.device("meta")

Outputs = torch.Tensor | tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class ModuleCost:
    """Costs of one module.

    Attributes:
        module: its name.
        stage: "prompts", "fusion" or "encoder".
        parameters: number of all parameters; `trainable`: of those that the stage trains.
        unit: what one pass handles: an image, a text (one identity's description in one modality), or an identity.
        forward_flops: operations of one unit's forward pass, a multiplication and an addition counting as two; matrix
            products, convolutions and attention only. `training_flops`: with the backward pass.
        activation_bytes: what one unit keeps in float32 for the backward pass, each buffer counted once, with the first
            module that keeps it.
    """

    module: str
    stage: str
    parameters: int
    trainable: int
    unit: str
    forward_flops: int
    training_flops: int
    activation_bytes: int


def network_costs(
    clip: Architecture, image_size: Size, identities: int, *, classifier_scale: float | None, described: bool
) -> list[ModuleCost]:
    """Costs of stage 2 for one image: stems, trunk, projection, pooling, heads and, if `described`, HSE."""
    with META:
        tower = build_tower(create_clip(clip, image_size))
        network = ReIDNetwork(
            tower,
            identities=identities,
            classifier_scale=classifier_scale,
            descriptor="reference",  # has no costs
            generator=torch.Generator(),
        )
        images = torch.empty(BATCH, 3, *image_size)
        texts = torch.empty(identities, tower.embed_dim)
    meter = Meter([*network.parameters(), texts])
    trunk, name, projection = _shared_parts(tower)
    heads = [*network.pooled_head.parameters(), *network.projected_head.parameters()]
    stem_maps = meter.measure("visible stem", lambda: tower.visible_stem(images), tower.visible_stem.parameters())
    meter.measure("infrared stem", lambda: tower.infrared_stem(images), tower.infrared_stem.parameters())
    maps = meter.measure("trunk", lambda: tower.trunk(stem_maps), trunk)
    projected, pooled = meter.measure(name, lambda: tower.project(maps), projection), maps
    if list(network.pooling.parameters()):
        pooled = meter.measure("GeM pooling", lambda: network.pooling(maps), network.pooling.parameters())
    meter.measure("identity heads", lambda: network.classify(Features(pooled, projected)), heads)
    if described:
        meter.measure("HSE", lambda: projected @ texts.T, ())
    return meter.costs


def prompt_costs(clip: Architecture, image_size: Size, identities: int, **learned: Any) -> list[ModuleCost]:
    """Costs of stage 1a: prompts, `learned` as keywords of `PromptBank`, and the frozen text tower that reads them."""
    with META:
        model = create_clip(clip, image_size).eval().requires_grad_(False)
        tower, generator = TextTower(model), torch.Generator()
        bank = PromptBank(tower, identities=identities, generator=generator, **learned)
        rows = torch.zeros(BATCH, dtype=torch.long)
    numbers = bank.contexts.numel()
    bank(0, rows)  # computes the template's first tokens, which happens once and not for each text
    meter = Meter([bank.contexts, *model.parameters()], PROMPTS, TEXT)
    meter.measure("text tower", lambda: bank(0, rows), tower.parameters())
    return [ModuleCost("prompts (MsPL)", PROMPTS, numbers, numbers, TEXT, 0, 0, 0), *meter.costs]


def fusion_costs(clip: Architecture, image_size: Size, kind: str, **options: Any) -> list[ModuleCost]:
    """Costs of stage 1b, where the fusion is trained; it is made as by `build_fusion`."""
    with META:
        texts = torch.empty(BATCH, create_clip(clip, image_size).text_projection.shape[1])
        fused = build_fusion(kind, texts.shape[1], **options)
    meter = Meter([*fused.parameters(), texts], FUSION, IDENTITY)
    meter.measure("fusion (SII)", lambda: fused(texts, texts), fused.parameters())
    return meter.costs


class Meter:
    """Measures the modules of one stage in their order, and counts each kept buffer once."""

    def __init__(self, parameters: Iterable[torch.Tensor], stage: str = ENCODER, unit: str = IMAGE) -> None:
        self._counted = {_address(tensor): tensor.untyped_storage() for tensor in parameters}
        self._stage, self._unit = stage, unit
        self.costs: list[ModuleCost] = []

    def measure(self, name: str, function: Callable[[], Outputs], parameters: Iterable[nn.Parameter]) -> torch.Tensor:
        """Run `function` forward and backward and record its costs; returns its (first) output as a new leaf."""
        kept = 0

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal kept
            if _address(tensor) not in self._counted:
                self._counted[_address(tensor)] = tensor.untyped_storage()  # a reference keeps its address unique
                kept += tensor.untyped_storage().nbytes()
            return tensor

        counter = FlopCounterMode(display=False)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), counter:
            outputs = function()
        tensors = (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
        forward = counter.get_total_flops()
        with counter:  # entering it resets the count
            torch.autograd.backward([tensor.sum() for tensor in tensors])
        own = list(parameters)
        sizes = (sum(each.numel() for each in own), sum(each.numel() for each in own if each.requires_grad))
        flops = (forward // BATCH, (forward + counter.get_total_flops()) // BATCH)
        self.costs.append(ModuleCost(name, self._stage, *sizes, self._unit, *flops, kept // BATCH))
        return tensors[0].detach().requires_grad_()


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _shared_parts(tower: ImageTower) -> tuple[Sequence[nn.Parameter], str, Sequence[nn.Parameter]]:
    """Parameters of the trunk, the name of the module that projects its output, and that module's parameters."""
    if isinstance(tower, TwoStreamResNet):
        return list(tower.layers.parameters()), "attention pool", list(tower.attention_pool.parameters())
    stems = [*tower.visible_stem.parameters(), *tower.infrared_stem.parameters(), tower.projection]
    known = {id(parameter) for parameter in stems}
    return [each for each in tower.parameters() if id(each) not in known], "projection", [tower.projection]
