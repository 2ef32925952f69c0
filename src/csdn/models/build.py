"""The re-ID network on a CLIP, and the trained one of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP

from csdn.artifacts.files import read_tensors
from csdn.errors import UserError
from csdn.models.clip_backbone import Architecture, Size, build_tower, random_clip
from csdn.models.reid_network import ReIDNetwork


def build_network(clip: CLIP, *, inner_relu: bool, **heads: Any) -> ReIDNetwork:
    """The network on the image tower of an adapted `clip` (see `build_tower`); `heads`: keywords of `ReIDNetwork`."""
    return ReIDNetwork(build_tower(clip, inner_relu=inner_relu), **heads)


def load_encoder(
    path: Path, architecture: Architecture, image_size: Size, device: torch.device, **kind: Any
) -> ReIDNetwork:
    """The trained network of a run, whose file holds all its weights, so that CLIP's are not needed.

    Args:
        kind: keywords of `build_network`, without those that the file decides.

    Raises:
        UserError: the file is missing or belongs to other settings.
    """
    state = {name: torch.from_numpy(value) for name, value in read_tensors(path).items()}
    identities = len(state.pop("person_ids"))
    clip, generator = random_clip(architecture, image_size), torch.Generator()
    network = build_network(clip, identities=identities, generator=generator, **kind)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{path}: belongs to other settings ({str(error).splitlines()[-1].strip()}); train it again"
        ) from error
    return network.to(device).to(memory_format=torch.channels_last)
