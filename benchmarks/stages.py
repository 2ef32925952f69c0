"""The stages as pairs of functions, ours and the plain one, each of which makes one step on the same inputs."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks import evaluation
from benchmarks.measure import memory
from benchmarks.plain.augmentation import augment_batch
from benchmarks.plain.prompts import PlainPrompts, fusion_step, prompt_step
from benchmarks.plain.visual import embed, plain_network, plain_optimizer, visual_step
from csdn.config.clip import Backbone
from csdn.config.encoder import Encoder
from csdn.config.fidelity import Fidelity
from csdn.data.device_transforms import render_views
from csdn.data.image_cache import ModalityImages, TrainingImages
from csdn.evaluation.ranking import retrieval_metrics
from csdn.jobs.unpacking import encoder_arguments
from csdn.models.clip_backbone import build_tower, create_clip, normalize_images
from csdn.models.device import resolve_precision
from csdn.models.inference import embed_images
from csdn.models.prompts import PromptBank, TextTower
from csdn.models.reid_network import ReIDNetwork
from csdn.models.semantic_integration import build_fusion
from csdn.training.batches import Batch, augmented_batches
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
        counted: what its work is counted of, to be set against the roofline, or None.
    """

    name: str
    fast: Callable[[], Any]
    plain: Callable[[], Any]
    items: int
    unit: str
    target: float | None
    precision: str = "fp32"
    counted: Callable[[], Any] | None = None


def stages(scale: Scale, device: torch.device) -> dict[str, Callable[[], Stage]]:
    """What builds each stage of `scale`, by the stage's name; each is built when its turn comes, alone in memory."""
    made: dict[str, Callable[[], Stage]] = {
        "prompt step": lambda: _prompts(scale, device),
        "fusion step": lambda: _fusion(scale, device),
        "augmentation": lambda: _augmentation(scale, device),
    }
    for name, variant in _visual_variants(device).items():
        made[f"visual step {name}"] = lambda n=name, v=variant: _visual(scale, device, n, v)
    for precision in ("fp32", *_others(device)):
        made[f"embedding {precision}"] = lambda p=precision: _embedding(scale, device, p)
    if device.type == "cuda":
        made["batch"] = lambda: _batch(scale, device)
    else:
        made["ranking"] = _ranking
    return made


def _others(device: torch.device) -> list[str]:
    """The precisions that the device has instructions for, beside fp32."""
    return sorted({resolve_precision(name, device) for name in ("auto", "tf32")} - {"fp32"})


def _clip(scale: Scale) -> Any:
    torch.manual_seed(0)
    architecture = Backbone().architecture if scale.model == "mini" else scale.model
    model = create_clip(architecture, scale.image_size)
    return model.eval().requires_grad_(False)


def _target(scale: Scale, ratio: float | None) -> float | None:
    """Ratios are asked for at the method's own sizes: the small CLIP's towers leave less to save."""
    return None if scale.model == "mini" else ratio


def _ignore(terms: Any) -> None:
    """Takes loss terms."""


@dataclass(frozen=True)
class _StageOne:
    """What both steps of stage 1 work on."""

    bank: PromptBank
    plain: PlainPrompts
    features: torch.Tensor
    generator: torch.Generator


def _stage_one(scale: Scale, device: torch.device) -> _StageOne:
    clip = _clip(scale)
    generator = torch.Generator().manual_seed(0)
    tower = TextTower(clip)
    make = dict(banks=2, identities=scale.identities, tokens=4, template="A photo of a {} person.", generator=generator)
    bank = PromptBank(tower, **make)
    plain = PlainPrompts(copy.deepcopy(clip).requires_grad_(True), bank.contexts.detach()).to(device)
    plain.prefix, plain.suffix = plain.prefix.to(device), plain.suffix.to(device)
    tower.to(device)  # the bank reads it but does not own it
    embed_dim = clip.text_projection.shape[1]
    features = torch.randn(scale.prompts, embed_dim, generator=generator).to(device) / embed_dim**0.5
    return _StageOne(bank.to(device), plain, features, generator)


def _prompts(scale: Scale, device: torch.device) -> Stage:
    one = _stage_one(scale, device)
    labels = torch.randint(0, scale.identities, (scale.prompts // 2,), generator=one.generator)
    ours = torch.optim.Adam([one.bank.contexts], lr=1e-5, fused=True)  # as in training
    theirs = torch.optim.Adam([one.plain.contexts], lr=1e-5, foreach=False)

    def fast() -> None:
        contrastive_step(one.features, one.bank.both(labels), labels.repeat(2), None, ours, _ignore)

    def plain() -> None:
        prompt_step(one.plain, theirs, one.features, labels.to(device))

    return Stage("prompt step", fast, plain, scale.prompts, "prompts", _target(scale, 12.0), counted=fast)


def _fusion(scale: Scale, device: torch.device) -> Stage:
    one = _stage_one(scale, device)
    both = torch.randint(0, scale.identities, (scale.prompts,), generator=one.generator)
    fusion = build_fusion("reference", one.features.shape[1], heads=4, dropout=0.0).to(device)
    twin = copy.deepcopy(fusion)
    visible, infrared = describe_all(one.bank)
    ours = torch.optim.Adam(fusion.parameters(), lr=1e-5, fused=True)
    theirs = torch.optim.Adam(twin.parameters(), lr=1e-5, foreach=False)

    def fast() -> None:
        contrastive_step(one.features, fusion(visible[both], infrared[both]), both, None, ours, _ignore)

    def plain() -> None:
        fusion_step(one.plain, twin, theirs, one.features, both.to(device))

    return Stage("fusion step", fast, plain, scale.prompts, "prompts", _target(scale, 500.0), counted=fast)


def _augmentation(scale: Scale, device: torch.device) -> Stage:
    count = 12 * scale.people
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, *scale.image_size, 3), dtype=np.uint8)
    augmenter = encoder_arguments(Encoder(), Fidelity())[0].augmenter
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
        _target(scale, 7.0),
    )


@dataclass(frozen=True)
class _VisualVariant:
    """One way of making the visual step, and how many times as fast as the plain one in float32 it should be."""

    precision: str = "fp32"
    target: float | None = None
    compiled: bool = False
    deterministic: bool = False
    channels_last: bool = True


def _visual_variants(device: torch.device) -> dict[str, _VisualVariant]:
    if device.type == "cpu":
        targets = {"fp32": 1.4, "bf16": 2.5}
        return {name: _VisualVariant(name, targets[name]) for name in ("fp32", *_others(device))}
    found = {"fp32": _VisualVariant(), "fp32 contiguous": _VisualVariant(channels_last=False)}
    targets = {"bf16": 3.0, "tf32": None}
    for name in _others(device):
        found[name] = _VisualVariant(name, targets[name])
        found[f"{name} compiled"] = _VisualVariant(name, targets[name], compiled=True)
        found[f"{name} determ."] = _VisualVariant(name, deterministic=True)
    return found


def _network(scale: Scale, device: torch.device) -> ReIDNetwork:
    make = dict(identities=scale.identities, classifier_scale=None, descriptor="reference")
    network = ReIDNetwork(build_tower(_clip(scale)), **make, generator=torch.Generator().manual_seed(0))
    return network.to(device).requires_grad_(True)


def _visual(scale: Scale, device: torch.device, name: str, variant: _VisualVariant) -> Stage:
    count = 4 * scale.people
    network = _network(scale, device)
    twin = plain_network(network)
    settings = Encoder(precision=variant.precision, learning_rate=1e-5)
    _, loss, optimization = encoder_arguments(settings, Fidelity())
    theirs = plain_optimizer(build_optimizer(twin, optimization))
    if variant.channels_last:
        network = network.to(memory_format=torch.channels_last)
    ours = build_optimizer(network, optimization)
    if variant.compiled:
        network.compile()
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(3 * count, 3, *scale.image_size, generator=generator).to(device)
    if variant.channels_last:
        pixels = pixels.to(memory_format=torch.channels_last)
    labels = torch.arange(scale.people).repeat_interleave(4).to(device)
    batch = Batch(pixels[: 2 * count], pixels[2 * count :], labels)
    texts = torch.randn(scale.identities, network.backbone.embed_dim, generator=generator).to(device)
    both = Descriptions(texts, texts)

    def step() -> None:
        optimize(network, batch, both, loss, optimization, ours, device, _ignore)

    def fast() -> None:
        torch.use_deterministic_algorithms(variant.deterministic)
        step()
        torch.use_deterministic_algorithms(False)

    def plain() -> None:
        visual_step(twin, theirs, batch, texts, loss.weights)

    counted = None if variant.compiled else step  # a compiled step cannot be looked into
    target = _target(scale, variant.target)
    return Stage(f"visual step {name}", fast, plain, 3 * count, "images", target, variant.precision, counted)


def _embedding(scale: Scale, device: torch.device, precision: str) -> Stage:
    count = 12 * scale.people
    network = _network(scale, device)
    twin = plain_network(network)
    images = np.random.default_rng(0).integers(0, 256, (count, *scale.image_size, 3), dtype=np.uint8)
    rows, infrared = np.arange(count), np.zeros(count, dtype=bool)
    options = dict(batch=count, flip=True, normalization="clip", device=device, precision=precision)

    def counted() -> None:
        # In inference mode operators are counted before autocast has seen their parts.
        with torch.no_grad():
            embed_images.__wrapped__(network, images, rows, infrared, **options)

    return Stage(
        f"embedding {precision}",
        lambda: embed_images(network, images, rows, infrared, **options),
        lambda: embed(twin, images, False, count, lambda own: normalize_images(own.to(device))),
        count,
        "images",
        _target(scale, 1.8 if precision == "fp32" else None),
        precision,
        counted,
    )


def _batch(scale: Scale, device: torch.device) -> Stage:
    """Batches as training gets them, from the cache on: this many images a second are what a step can be given."""
    count = 4 * scale.people
    rng = np.random.default_rng(0)
    labels = np.arange(40 * count) // 40
    cache = rng.integers(0, 256, (2 * len(labels), *scale.image_size, 3), dtype=np.uint8)
    sides = [ModalityImages(cache, np.arange(len(labels)) + first, labels) for first in (0, len(labels))]
    images = TrainingImages(*sides, np.unique(labels))
    batching, *_ = encoder_arguments(Encoder(identities=scale.people, images=4), Fidelity())

    def batches(on: torch.device) -> Iterator[Batch]:
        while True:
            yield from augmented_batches(images, batching, rng, on)

    ours, plain = batches(device), batches(torch.device("cpu"))
    return Stage(
        "batch",
        lambda: next(ours),
        lambda: [part.to(device) for part in next(plain)],
        3 * count,
        "images",
        None,
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
    )


def image_memory(images: int, size: tuple[int, int], folder: Any) -> dict[str, float]:
    """What training on a cache on disk takes: its size, and how much anonymous memory a worker grows by over batches.

    Args:
        images: how many a modality; size: (H, W).
    """
    path = folder / "cache.npy"
    cache = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(2 * images, *size, 3))
    cache[:] = 128
    cache.flush()
    del cache
    mapped = np.load(path, mmap_mode="r")
    labels = np.arange(images) // 10
    both = [ModalityImages(mapped, np.arange(images) + first, labels) for first in (0, images)]
    batching, *_ = encoder_arguments(Encoder(), Fidelity())
    batches = augmented_batches(TrainingImages(*both, np.unique(labels)), batching, np.random.default_rng(0))
    next(batches)
    before = memory("RssAnon")
    grown = max(memory("RssAnon") - before for _ in itertools.islice(batches, 40))
    return {"cache_mib": path.stat().st_size / 2**20, "growth_mib": grown}
