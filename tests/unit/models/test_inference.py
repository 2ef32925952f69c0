"""Descriptors against one image at a time through the network as it is."""

import numpy as np
import pytest
import torch

from csdn.models.clip_backbone import build_tower, create_clip, normalize_images
from csdn.models.inference import embed_images, project_images
from csdn.models.reid_network import ReIDNetwork
from helpers.tiny_clip import small_sizes

TINY = small_sizes()
CPU = torch.device("cpu")


@pytest.fixture
def network() -> ReIDNetwork:
    torch.manual_seed(0)
    tower = build_tower(create_clip(TINY, (32, 16)))
    make = dict(identities=4, classifier_scale=16.0, descriptor="both_necks", generator=torch.Generator())
    network = ReIDNetwork(tower, **make)
    images = torch.randn(16, 3, 32, 16)
    network.train()(images[:8], images[8:])  # running statistics that are not the initial ones
    return network.eval()


@pytest.fixture
def cache() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (12, 32, 16, 3), dtype=np.uint8)


ROWS = np.array([7, 2, 9, 0, 11, 4, 1])
INFRARED = np.array([False, True, False, True, True, False, False])


@torch.no_grad()
def one_at_a_time(network, cache, flip):
    out = []
    for row, is_infrared in zip(ROWS, INFRARED, strict=True):
        image = normalize_images(torch.from_numpy(cache[row : row + 1].copy()))
        parts = []
        for seen in (image, image.flip(3)) if flip else (image,):
            nothing = seen[:0]
            parts.append(network.describe(network(*((nothing, seen) if is_infrared else (seen, nothing)))))
        out.append(torch.cat(parts, dim=1))
    return torch.cat(out).numpy()


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 256])
def test_descriptors_are_those_of_single_images(network, cache, flip, batch):
    made = embed_images(network, cache, ROWS, INFRARED, batch=batch, flip=flip, normalization="clip", device=CPU)
    np.testing.assert_allclose(made, one_at_a_time(network, cache, flip), atol=2e-6)


def test_bfloat16_comes_close(network, cache):
    make = dict(batch=4, flip=True, normalization="clip", device=CPU)
    precise = embed_images(network, cache, ROWS, INFRARED, **make)
    rough = embed_images(network, cache, ROWS, INFRARED, **make, precision="bf16")
    assert not np.array_equal(rough, precise)
    np.testing.assert_allclose(rough, precise, atol=0.05)


def test_projections_are_those_of_the_tower_in_evaluation(network, cache):
    backbone = network.backbone
    made = project_images(backbone, cache, ROWS, INFRARED, batch=3, normalization="clip", device=CPU)
    images = normalize_images(torch.from_numpy(cache[ROWS]))
    with torch.no_grad():
        expected = torch.empty(len(ROWS), 16)
        order = torch.from_numpy(INFRARED)
        maps = backbone.eval()(images[~order], images[order])
        projected = backbone.project(maps)
        expected[~order], expected[order] = projected[: (~order).sum()], projected[(~order).sum() :]
    np.testing.assert_allclose(made, expected.numpy(), atol=5e-6)


def test_every_image_is_seen_once_and_without_images_there_is_an_error(network, cache):
    seen = []
    make = dict(batch=2, flip=True, normalization="clip", device=CPU, progress=seen.append)
    embed_images(network, cache, ROWS, INFRARED, **make)
    assert sum(seen) == len(ROWS)
    with pytest.raises(ValueError, match="no image"):
        embed_images(network, cache, ROWS[:0], INFRARED[:0], **make)
