"""Contrastive pre-training of the small CLIP on captioned images of other people (embedded benchmark only)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from torch import nn

from csdn.models.clip_backbone import as_images, normalize_images
from csdn.models.device import autocast, products_in
from csdn.models.prompts import TextTower, clip_tokenizer
from csdn.training.checkpoint import Checkpoints
from csdn.training.resumable import History, OnEpoch, TrainingRun
from csdn.training.schedules import pretraining_learning_rate

MAX_LOGIT_SCALE = 100.0  # as for CLIP (Radford et al. 2021, section 2.5)
SHIFT = (3, 2)  # largest random shift of a batch in pixels, rows and columns
LOG_EVERY = 50
LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


@dataclass(frozen=True)
class Captioned:
    """What is said of N images.

    Attributes:
        captions: N lists of alternative captions, one of which is drawn each time the image is used.
        attributes: name -> class index (N,), -1 if it does not apply.
    """

    captions: Sequence[Sequence[str]]
    attributes: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PretrainingOptimization:
    """How the pre-training makes its steps.

    Attributes:
        steps: how many; batch: images of each.
        learning_rate: the highest, after `warmup_steps`.
        attribute_weight: of the classifiers' loss.
        grey_share: probability that an image is shown without its colours.
        exposure: how much its brightness and contrast are varied (`vary_exposure`).
        precision: of matrix products in the image tower.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    weight_decay: float
    attribute_weight: float
    grey_share: float
    exposure: float
    precision: str


def pretrain_clip(
    model: CLIP,
    images: np.ndarray,
    colored: Captioned,
    grey: Captioned,
    settings: PretrainingOptimization,
    rng: np.random.Generator,
    device: torch.device,
    on_log: OnEpoch,
    checkpoints: Checkpoints | None = None,
    *,
    position_std: float,
) -> History:
    """Train `model` in place on image-caption pairs, with auxiliary attribute classifiers that are discarded.

    One classifier uses the image tower's map; another, shared by both towers, uses the joint space. Without the shared
    one the contrastive loss stays at its initial value for some hundred steps; how many depends on rounding.

    Some images are shown grey, with captions that name no colour, as among the photographs that CLIP learned from.
    Only the token vectors of words that occur are trained; the other rows of the vocabulary become NaN, so that a word
    that was never trained cannot pass for one that was.

    Args:
        model: the small CLIP with its single-query attention pool.
        images: uint8 (N, H, W, 3).
        colored: captions and attributes of the images as they are; grey: of their grey copies.
        checkpoints: saves the training and continues it; None saves nothing.
        position_std: standard deviation of the attention pool's positional embedding at the start.

    Returns:
        Rows of step, loss, contrastive and attribute terms, learning rate, seconds.
    """
    with torch.no_grad():
        model.visual.attnpool.positional_embedding.normal_(std=position_std)
    tokens = tokenize([[*a, *b] for a, b in zip(colored.captions, grey.captions, strict=True)], model.context_length)
    words, compact = torch.unique(tokens, return_inverse=True)
    ends = tokens.argmax(2).numpy()  # the end of text has the highest id
    classes = [int(values.max()) + 1 for values in colored.attributes.values()]
    targets = torch.stack([_targets(colored), _targets(grey)])
    pool = model.visual.attnpool
    map_head = nn.Linear(pool.q_proj.in_features * pool.grid[0] * pool.grid[1], sum(classes)).to(device)
    joint_head = nn.Linear(pool.c_proj.out_features, sum(classes)).to(device)
    model.train().to(device)
    words, compact, targets = words.to(device), compact.to(device), targets.to(device)
    vectors = nn.Parameter(model.token_embedding.weight.detach()[words].clone())
    tower = TextTower(model)
    optimizer = _optimizer(model, [vectors, *map_head.parameters(), *joint_head.parameters()], settings)
    parts = {"model": model, "vectors": vectors, "map_head": map_head, "joint_head": joint_head}
    run = TrainingRun(parts, optimizer, rng, on_log, checkpoints)
    order = run.arrays.setdefault("order", np.empty(0, dtype=int))  # images left in this pass over all images
    for step in run.steps(settings.steps):
        if len(order) < settings.batch:
            order = rng.permutation(len(images))
        chosen, run.arrays["order"] = order[: settings.batch], order[settings.batch :]
        order = run.arrays["order"]
        rate = pretraining_learning_rate(step, settings.steps, settings.learning_rate, settings.warmup_steps)
        run.set_learning_rate(rate)
        is_grey = rng.random(len(chosen)) < settings.grey_share
        pixels = vary_exposure(without_color(images[chosen], is_grey), settings.exposure, rng)
        batch = normalize_images(shift_and_mirror(as_images(pixels), rng).to(device))
        which = rng.integers(0, ends.shape[1] // 2, len(chosen)) + is_grey * (ends.shape[1] // 2)
        drawn = (chosen, which, ends[chosen, which], is_grey.astype(int))
        rows, alternatives, end, version = (torch.from_numpy(each).to(device) for each in drawn)
        with products_in(settings.precision):
            with autocast(device, settings.precision):
                maps = _maps(model, batch)
                projected, logits = model.visual.attnpool(maps), map_head(maps.flatten(1))
            texts = tower(vectors[compact[rows, alternatives]], end, int(ends[chosen, which].max()) + 1)
            contrastive = _contrastive(projected.float(), texts.float(), model.logit_scale)
            answers = (logits, joint_head(projected.float()), joint_head(texts.float()))
            attribute = torch.stack(
                [_attribute_loss(a.float(), targets[version, rows], classes) for a in answers]
            ).sum()
            loss = contrastive + settings.attribute_weight * attribute
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
        values = {"contrastive": contrastive, "attribute": attribute, "loss": loss}
        run.record({name: value.detach() for name, value in values.items()})
        optimizer.step()
        if (step + 1) % LOG_EVERY == 0 or step + 1 == settings.steps:
            last = {name: run.terms[name][-1] for name in ("loss", "contrastive", "attribute")}
            run.log({"step": step + 1, **last, "learning_rate": rate, "seconds": run.seconds})
    with torch.no_grad():
        model.token_embedding.weight.fill_(torch.nan)
        model.token_embedding.weight[words] = vectors
    return run.history


def without_color(images: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """A copy of uint8 images (N, H, W, 3), those of the mask `chosen` (N,) with their luminance in all channels."""
    images = np.array(images)
    grey = np.rint(images[chosen] @ LUMINANCE).astype(np.uint8)
    images[chosen] = grey[..., None]
    return images


def tokenize(captions: Sequence[Sequence[str]], context_length: int) -> torch.Tensor:
    """Token ids (N, alternatives, L) of caption lists, as long as the longest caption."""
    tokenizer = clip_tokenizer(context_length)
    flat = [text for alternatives in captions for text in alternatives]
    tokens = tokenizer(flat)
    longest = int(tokens.argmax(1).max()) + 1
    return tokens[:, :longest].reshape(len(captions), -1, longest)


def vary_exposure(images: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """uint8 images (N, H, W, 3), each with a gain in 1 +- strength and a gamma in exp(+- strength), drawn for each."""
    if not strength:
        return images
    gains = rng.uniform(1 - strength, 1 + strength, len(images))
    gammas = np.exp(rng.uniform(-strength, strength, len(images)))
    levels = np.arange(256) / 255
    tables = np.rint(255 * np.clip(gains[:, None] * levels, 0, 1) ** gammas[:, None]).astype(np.uint8)
    return np.stack([table[image] for table, image in zip(tables, images, strict=True)])


def shift_and_mirror(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """uint8 images (N, H, W, 3), all shifted by the same few pixels and mirrored together."""
    dy, dx = (int(rng.integers(-limit, limit + 1)) for limit in SHIFT)
    images = images.roll((dy, dx), dims=(1, 2))
    if dy:
        images[:, slice(0, dy) if dy > 0 else slice(dy, None)] = 0
    if dx:
        images[:, :, slice(0, dx) if dx > 0 else slice(dx, None)] = 0
    return images.flip(2) if rng.random() < 0.5 else images


@torch.inference_mode()
def project_plain(model: CLIP, images: np.ndarray, batch: int = 256) -> torch.Tensor:
    """Unit features (N, embed) of uint8 images (N, H, W, 3) in the joint space of the single-stream `model`."""
    model.eval()
    blocks = (normalize_images(as_images(images[i : i + batch])) for i in range(0, len(images), batch))
    return torch.cat([F.normalize(model.visual.attnpool(_maps(model, block)), dim=1) for block in blocks])


@torch.inference_mode()
def zero_shot_classes(model: CLIP, features: torch.Tensor, prompts: Mapping[str, Sequence[str]]) -> np.ndarray:
    """For each image the class whose mean prompt feature is nearest.

    Args:
        features: (N, embed) of `project_plain`.
        prompts: class name -> prompts.

    Returns:
        (N,) keys of `prompts`.
    """
    model.eval()
    tower = TextTower(model)
    texts = []
    for alternatives in prompts.values():
        tokens = tokenize([alternatives], model.context_length)[0]
        texts.append(F.normalize(tower.encode_tokens(tokens), dim=1).mean(0))
    weights = F.normalize(torch.stack(texts), dim=1)
    return np.array(list(prompts))[(features @ weights.T).argmax(1).numpy()]


def _maps(model: CLIP, images: torch.Tensor) -> torch.Tensor:
    visual = model.visual
    return visual.layer4(visual.layer3(visual.layer2(visual.layer1(visual.stem(images)))))


def _contrastive(images: torch.Tensor, texts: torch.Tensor, logit_scale: torch.Tensor) -> torch.Tensor:
    logits = logit_scale.exp().clamp(max=MAX_LOGIT_SCALE) * F.normalize(images, dim=1) @ F.normalize(texts, dim=1).T
    labels = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def _targets(said: Captioned) -> torch.Tensor:
    return torch.from_numpy(np.stack(list(said.attributes.values()), axis=1)).long()


def _attribute_loss(logits: torch.Tensor, targets: torch.Tensor, classes: list[int]) -> torch.Tensor:
    parts = logits.split(classes, dim=1)
    sums = [F.cross_entropy(part, targets[:, n], ignore_index=-1, reduction="sum") for n, part in enumerate(parts)]
    return (torch.stack(sums) / (targets >= 0).sum(0).clamp(min=1)).sum()  # 0 where an attribute applies to no image


def _optimizer(model: CLIP, extra: list[nn.Parameter], settings: PretrainingOptimization) -> torch.optim.Optimizer:
    parameters = [p for name, p in model.named_parameters() if name != "token_embedding.weight"] + extra
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
