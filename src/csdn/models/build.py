"""The re-ID network of a step, with CLIP's weights or with those of a run."""

from __future__ import annotations

from pathlib import Path

import torch

from csdn.artifacts.files import read_tensors
from csdn.errors import UserError
from csdn.models.clip_backbone import build_tower, load_clip
from csdn.models.reid_network import ReIDNetwork
from csdn.steps.evaluation import EmbedImages, ExplainModel
from csdn.steps.training import TrainEncoder


def build_network(
    settings: EmbedImages | ExplainModel | TrainEncoder,
    clip: Path | None,
    identities: int,
    generator: torch.Generator,
    *,
    pretrained: bool = True,
) -> ReIDNetwork:
    """The re-ID network of a step on its CLIP.

    Args:
        clip: weights of the small CLIP; needed if `settings.clip` starts from it.
        pretrained: False leaves random weights for the caller to replace, so CLIP's file is not needed.
    """
    chosen = settings.clip if pretrained else settings.clip.model_copy(update={"weights": "random"})
    model = load_clip(chosen, settings.image_size, clip, seed=settings.seed)
    backbone = build_tower(model, inner_relu=settings.fidelity.stem == "clip")
    return ReIDNetwork.of(settings.encoder, backbone, identities, generator)


def load_encoder(
    settings: EmbedImages | ExplainModel | TrainEncoder, encoder: Path, device: torch.device
) -> ReIDNetwork:
    """The trained network of a run.

    Raises:
        UserError: the file is missing or belongs to other settings.
    """
    state = {name: torch.from_numpy(value) for name, value in read_tensors(encoder).items()}
    identities = len(state.pop("person_ids"))
    network = build_network(settings, None, identities, torch.Generator(), pretrained=False)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{encoder}: belongs to other settings ({str(error).splitlines()[-1].strip()}); train it again"
        ) from error
    return network.to(device).to(memory_format=torch.channels_last)
