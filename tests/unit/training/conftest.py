"""A tiny CLIP and tiny images, enough for every stage to make real steps."""

import numpy as np
import pytest
import torch

from csdn.data.image_cache import ModalityImages, TrainingImages
from csdn.models.clip_backbone import build_tower, create_clip
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import ReIDNetwork
from csdn.models.resnet_tower import TwoStreamResNet
from csdn.training.prompt_stage import StageOneImages
from csdn.training.stage_one_images import stage_one_images
from helpers.tiny_clip import small_sizes
from helpers.trainings import BY_DEFAULT, CPU, ignore

SIZE = (32, 16)
IDENTITIES = 6
TINY = small_sizes(context_length=40)


@pytest.fixture
def clip():
    torch.manual_seed(0)
    return create_clip(TINY, SIZE).eval().requires_grad_(False)


@pytest.fixture
def images() -> TrainingImages:
    """Six people, four images in each modality, distinguished by their brightness pattern."""
    rng = np.random.default_rng(0)
    looks = rng.integers(0, 256, (IDENTITIES, *SIZE, 3))
    labels = np.repeat(np.arange(IDENTITIES), 4)
    noise = rng.integers(-10, 11, (2 * len(labels), *SIZE, 3))
    cache = np.clip(looks[np.tile(labels, 2)] + noise, 0, 255).astype(np.uint8)
    rows = np.arange(len(labels))
    person_ids = 10 * np.arange(IDENTITIES)
    return TrainingImages(
        ModalityImages(cache, rows, labels), ModalityImages(cache, rows + len(labels), labels), person_ids
    )


@pytest.fixture
def network(clip) -> ReIDNetwork:
    generator = torch.Generator().manual_seed(0)
    return ReIDNetwork(
        TwoStreamResNet(clip.visual),
        identities=IDENTITIES,
        classifier_scale=16.0,
        descriptor="both_necks",
        generator=generator,
    ).requires_grad_(True)


@pytest.fixture
def embedded(clip, images) -> StageOneImages:
    """What the tower makes of the images."""
    backbone = build_tower(clip)
    return stage_one_images(backbone, images, np.random.default_rng(0), CPU, ignore, **BY_DEFAULT)


@pytest.fixture
def bank(clip) -> PromptBank:
    make = dict(tokens=4, template="A photo of a {} person.", generator=torch.Generator().manual_seed(0))
    return PromptBank(TextTower(clip), banks=2, identities=IDENTITIES, **make)


@pytest.fixture
def stage() -> StageOneImages:
    """Features that lie closely around a centre for each identity and modality."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(2, IDENTITIES, 16, generator=generator)
    labels = np.repeat(np.arange(IDENTITIES), 4)
    noise = 0.1 * torch.randn(2, len(labels), 16, generator=generator)
    visible, infrared = centres[:, labels] + noise
    return StageOneImages(visible, labels, infrared, labels)
