"""Where a network looks, and how close images are to their descriptions: the numbers behind the report's figures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from csdn.data.vectors import unit_vectors
from csdn.models.reid_network import Features, ReIDNetwork
from csdn.models.resnet_tower import TwoStreamResNet

Rows = NDArray[np.int64]


class Maps(NamedTuple):
    """Maps of N pairs of images, (2, N, h, w) each and non-negative: the visible images first, then the infrared.

    `attention`: mean over the heads of the attention pool; `grad_cam`: evidence for the similarity of the pair.
    """

    attention: NDArray[np.float32]
    grad_cam: NDArray[np.float32]


def choose_people(index: pd.DataFrame, split: str, count: int, rng: np.random.Generator) -> Rows:
    """Up to `count` random test identities of a split that have images in both modalities, ascending."""
    test = index[index[f"subset_{split}"] == "test"]
    modalities = test.groupby("person_id")["modality"].nunique()
    candidates = modalities[modalities == 2].index.to_numpy()
    return np.sort(rng.choice(candidates, min(count, len(candidates)), replace=False))


def choose_images(index: pd.DataFrame, split: str, people: Rows, images: int, rng: np.random.Generator) -> Rows:
    """Rows of up to `images` random test images of each of `people` in each modality, ascending."""
    chosen = (index[f"subset_{split}"] == "test") & index["person_id"].isin(people)
    order = pd.Series(rng.permutation(np.flatnonzero(chosen)))
    own = index.iloc[order]
    place = own.groupby(["person_id", "modality"]).cumcount().to_numpy()
    return np.sort(order.to_numpy()[place < images])


@torch.no_grad()
def attention_maps(network: ReIDNetwork, visible: torch.Tensor, infrared: torch.Tensor) -> NDArray[np.float32]:
    """Attention of the pool, averaged over heads: N visible and N infrared images (N, 3, H, W) -> (2, N, h, w)."""
    network.eval()
    weights = _resnet(network).attention_pool.attention(network.backbone(visible, infrared))
    return weights.mean(1).unflatten(0, (2, len(visible))).float().cpu().numpy()


def explain_pairs(network: ReIDNetwork, visible: torch.Tensor, infrared: torch.Tensor) -> Maps:
    """Maps of pairs of images (N, 3, H, W); each pair shows one person.

    Grad-CAM (Selvaraju et al., ICCV 2017) of the cosine similarity of the two retrieval descriptors, at the last map
    of the backbone; there is no logit to explain because test identities have no class.
    """
    network.eval()
    with torch.no_grad():
        maps = network.backbone(visible, infrared)
    maps.requires_grad_(True)
    pool = _resnet(network).attention_pool
    with torch.enable_grad():
        descriptors = network.describe(Features(network.pooling(maps), pool(maps).float()))
        one, other = descriptors.chunk(2)
        (gradients,) = torch.autograd.grad(F.cosine_similarity(one, other).sum(), maps)
    with torch.no_grad():
        importance = gradients.mean((2, 3), keepdim=True)
        evidence = (importance * maps).sum(1).relu()
        attention = pool.attention(maps).mean(1)
    sides = (2, len(visible))
    return Maps(*(m.unflatten(0, sides).detach().float().cpu().numpy() for m in (attention, evidence)))


def description_similarity(
    features: NDArray[np.float32], texts: NDArray[np.float32], labels: Rows
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cosine similarity of each image to its own description, and to the nearest of all others.

    Args:
        features: (N, dim) image features in the joint space.
        texts: (identities, dim) descriptions, at least two.
        labels: (N,) row of each image's own description.

    Returns:
        Similarities to the own and to the most similar other description, (N,) each, in [-1, 1].
    """
    similarity = unit_vectors(features) @ unit_vectors(texts).T
    rows = np.arange(len(labels))
    own = similarity[rows, labels].copy()
    similarity[rows, labels] = -np.inf
    return own, similarity.max(axis=1)


def has_maps(network: ReIDNetwork) -> bool:
    """Whether the image tower ends in a map with an attention pool: true of CLIP's ResNets, not its transformers."""
    return isinstance(network.backbone, TwoStreamResNet)


def _resnet(network: ReIDNetwork) -> TwoStreamResNet:
    if not isinstance(network.backbone, TwoStreamResNet):
        raise TypeError("only a CLIP ResNet has maps of positions; check has_maps first")
    return network.backbone
