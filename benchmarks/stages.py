"""The stages as pairs of functions, ours and the plain one, each of which makes one step on the same inputs."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks import evaluation
from benchmarks.plain.augmentation import augment_batch
from benchmarks.plain.prompts import PlainPrompts, fusion_step, prompt_step
from benchmarks.plain.visual import embed, plain_network, plain_optimizer, visual_step
from csdn.config.clip import Backbone
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.data.device_transforms import render_views
from csdn.evaluation.ranking import retrieval_metrics
from csdn.models.clip_backbone import build_tower, create_clip, normalize_images
from csdn.models.device import resolve_precision
from csdn.models.inference import embed_images
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import ReIDNetwork
from csdn.models.semantic_integration import build_fusion
from csdn.training.batches import Batch, build_augmenter
from csdn.training.encoder_stage import Descriptions, build_optimizer, optimize
from csdn.training.prompt_stage import contrastive_step, describe_all


@dataclass(frozen=True)
class Scale:
    """Sizes at which the stages are measured."""

    name: str
    model: str
    image_size: tuple[int, int]
    identities: int  # to train on
    people: int  # in a batch, each with four images a modality
    prompts: int  # descriptions in a step of stage 1, over both modalities


SCALES = {
    "embedded": Scale("embedded", "mini", (64, 32), 500, 8, 64),
    "paper": Scale("paper", "RN50-quickgelu", (288, 144), 395, 2, 64),
    "paper-gpu": Scale("paper-gpu", "RN50-quickgelu", (288, 144), 395, 8, 64),
}


@dataclass(frozen=True)
class Stage:
    """One comparison.

    Attributes:
        items: how many of `unit` a call handles.
        target: ratio that is asked for, or None.
        counts: whether its work is counted and set against the roofline.
    """

    name: str
    fast: Callable[[], Any]
    plain: Callable[[], Any]
    items: int
    unit: str
    target: float | None
    precision: str = "fp32"
    counts: bool = True


def stages(scale: Scale, device: torch.device) -> Iterator[Stage]:
    """The stages of `scale`, built one after another so that only one is in memory."""
    for stage in _stages(scale, device):
        # Ratios are asked for at the method's own sizes: the small CLIP's towers leave less to save.
        yield replace(stage, target=None) if scale.model == "mini" else stage


def _stages(scale: Scale, device: torch.device) -> Iterator[Stage]:
    yield from _stage_one(scale, device)
    yield _augmentation(scale, device)
    yield from _visual(scale, device)
    if device.type == "cpu":
        yield _ranking()


def _clip(scale: Scale) -> Any:
    torch.manual_seed(0)
    weights = "mini" if scale.model == "mini" else "random"
    model = create_clip(Backbone(model=scale.model, weights=weights), scale.image_size)
    return model.eval().requires_grad_(False)


def _ignore(terms: Any) -> None:
    """Takes loss terms."""


def _stage_one(scale: Scale, device: torch.device) -> Iterator[Stage]:
    clip = _clip(scale).to(device)
    generator = torch.Generator().manual_seed(0)
    make = dict(banks=2, identities=scale.identities, tokens=4, template="A photo of a {} person.", generator=generator)
    with torch.device("cpu"):
        bank = PromptBank(TextTower(clip.cpu()), **make)
    clip, bank = clip.to(device), bank.to(device)
    plain = PlainPrompts(copy.deepcopy(clip).cpu().requires_grad_(True), bank.contexts.detach().cpu()).to(device)
    plain.prefix, plain.suffix = plain.prefix.to(device), plain.suffix.to(device)
    embed_dim = clip.text_projection.shape[1]
    labels = torch.randint(0, scale.identities, (scale.prompts // 2,), generator=generator)
    both = torch.randint(0, scale.identities, (scale.prompts,), generator=generator)
    features = torch.randn(scale.prompts, embed_dim, generator=generator).to(device) / embed_dim**0.5
    ours = torch.optim.Adam([bank.contexts], lr=1e-5, fused=True)  # as in training
    theirs = torch.optim.Adam([plain.contexts], lr=1e-5, foreach=False)
    yield Stage(
        "prompt step",
        lambda: contrastive_step(features, bank.both(labels), labels.repeat(2), None, ours, _ignore),
        lambda: prompt_step(plain, theirs, features, labels.to(device)),
        scale.prompts,
        "prompts",
        12.0,
    )
    fusion = build_fusion("reference", embed_dim, heads=4, dropout=0.0).to(device)
    twin = copy.deepcopy(fusion)
    with torch.no_grad():
        visible, infrared = describe_all(bank)
    optimizers = [
        torch.optim.Adam(fusion.parameters(), lr=1e-5, fused=True),
        torch.optim.Adam(twin.parameters(), lr=1e-5, foreach=False),
    ]
    yield Stage(
        "fusion step",
        lambda: contrastive_step(features, fusion(visible[both], infrared[both]), both, None, optimizers[0], _ignore),
        lambda: fusion_step(plain, twin, optimizers[1], features, both.to(device)),
        scale.prompts,
        "prompts",
        500.0,
    )


def _augmentation(scale: Scale, device: torch.device) -> Stage:
    count = 12 * scale.people
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *scale.image_size, 3), dtype=np.uint8)
    settings = Encoder()
    augmenter = build_augmenter(settings, Fidelity())
    draws = (augmenter.draw_visible, augmenter.draw_exchanged, augmenter.draw_infrared)
    out = np.empty(images.shape, dtype=np.float32)
    sent = torch.from_numpy(images).to(device)

    def views() -> list:
        return [draw(images.shape[1:], rng) for draw in draws for _ in range(count // 3)]

    def on_host() -> None:
        for image, view, target in zip(images, views(), out, strict=True):
            augmenter.render(image, view, target)

    return Stage(
        "augmentation",
        on_host if device.type == "cpu" else lambda: render_views(sent, views(), augmenter),
        lambda: augment_batch(images, views(), augmenter).to(device),
        count,
        "images",
        7.0,
        counts=False,
    )


def _visual(scale: Scale, device: torch.device) -> Iterator[Stage]:
    count = 4 * scale.people
    tower = build_tower(_clip(scale))
    make = dict(identities=scale.identities, classifier_scale=None, descriptor="reference")
    start = ReIDNetwork(tower, **make, generator=torch.Generator().manual_seed(0)).to(device).requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    shape = (3 * count, 3, *scale.image_size)
    pixels = torch.randn(shape, generator=generator).to(device, memory_format=torch.channels_last)
    labels = torch.arange(scale.people).repeat_interleave(4).to(device)
    batch = Batch(pixels[: 2 * count], pixels[2 * count :], labels)
    texts = torch.randn(scale.identities, tower.embed_dim, generator=generator).to(device)
    texts = Descriptions(texts, texts)
    twin = plain_network(start)
    theirs = plain_optimizer(build_optimizer(twin, Encoder(learning_rate=1e-5), Fidelity()))
    able = resolve_precision("auto", device)
    for precision, target in [("fp32", 1.4)] + ([("bf16", 2.5)] if able == "bf16" else []):
        settings = Encoder(precision=precision, learning_rate=1e-5)
        network = copy.deepcopy(start).to(memory_format=torch.channels_last)
        ours = build_optimizer(network, settings, Fidelity())
        yield Stage(
            f"visual step {precision}",
            lambda n=network, o=ours, s=settings: optimize(n, batch, texts, s, Fidelity(), o, device, _ignore),
            lambda s=settings: visual_step(twin, theirs, batch, texts.visible, s.weights),
            3 * count,
            "images",
            3.0 if device.type == "cuda" and precision == "bf16" else target,
            precision,
        )
    yield from _embedding(scale, start, twin, device, able)


def _embedding(scale: Scale, network: Any, twin: Any, device: torch.device, able: str) -> Iterator[Stage]:
    count = 12 * scale.people
    images = np.random.default_rng(0).integers(0, 256, (count, *scale.image_size, 3), dtype=np.uint8)
    rows, visible = np.arange(count), np.zeros(count, dtype=bool)
    options = dict(batch=count, flip=True, normalization="clip", device=device)
    for precision in ["fp32"] + (["bf16"] if able == "bf16" else []):
        yield Stage(
            f"embedding {precision}",
            lambda p=precision: embed_images(network, images, rows, visible, **options, precision=p),
            lambda: embed(twin, images, False, count, lambda own: normalize_images(own.to(device))),
            count,
            "images",
            1.8 if precision == "fp32" else None,
            precision,
        )


def _ranking() -> Stage:
    rng = np.random.default_rng(0)
    query_ids, gallery_ids, ignore, cmc = evaluation.sysu_case(1, rng)
    centres = rng.standard_normal((206, 128), dtype=np.float32)
    query, gallery = (evaluation.features_of(ids, centres, rng) for ids in (query_ids, gallery_ids))
    similarity = query @ gallery.T
    return Stage(
        "ranking",
        lambda: retrieval_metrics(similarity, query_ids, gallery_ids, ignore=ignore, cmc=cmc),
        lambda: evaluation.plain_loop(similarity, query_ids, gallery_ids, ignore, cmc),
        len(query_ids),
        "queries",
        None,
        counts=False,
    )


def image_memory(images: int, size: tuple[int, int], folder: Any) -> dict[str, float]:
    """What training on a cache on disk takes: its size, and how much anonymous memory a worker grows by over batches.

    Args:
        images: how many a modality; size: (H, W).
    """
    from benchmarks.measure import memory
    from csdn.data.image_cache import ModalityImages, TrainingImages
    from csdn.training.batches import augmented_batches

    path = folder / "cache.npy"
    cache = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(2 * images, *size, 3))
    cache[:] = 128
    cache.flush()
    del cache
    mapped = np.load(path, mmap_mode="r")
    labels = np.arange(images) // 10
    both = [ModalityImages(mapped, np.arange(images) + first, labels) for first in (0, images)]
    settings = Encoder()
    batches = augmented_batches(
        TrainingImages(*both, np.unique(labels)),
        settings,
        build_augmenter(settings, Fidelity()),
        np.random.default_rng(0),
    )
    next(batches)
    before = memory("RssAnon")
    grown = max(memory("RssAnon") - before for _ in itertools.islice(batches, 40))
    return {"cache_mib": path.stat().st_size / 2**20, "growth_mib": grown}
