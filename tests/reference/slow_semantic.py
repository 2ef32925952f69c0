"""The losses that pull images to descriptions, written as their definitions say: one image and one text at a time."""

import math
from collections.abc import Sequence

Vector = Sequence[float]


def dot(a: Vector, b: Vector) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a: Vector, b: Vector) -> float:
    return dot(a, b) / math.sqrt(dot(a, a) * dot(b, b))


def log_softmax(values: Sequence[float], chosen: int) -> float:
    largest = max(values)
    return values[chosen] - largest - math.log(sum(math.exp(value - largest) for value in values))


def logit(a: Vector, b: Vector, scale: float | None) -> float:
    return dot(a, b) if scale is None else scale * cosine(a, b)


def cross_entropy(images: list[Vector], texts: list[Vector], ids: list[int], scale: float | None) -> float:
    rows = [[logit(image, text, scale) for text in texts] for image in images]
    return -sum(log_softmax(row, own) for row, own in zip(rows, ids, strict=True)) / len(images)


def supervised_contrastive(images: list[Vector], texts: list[Vector], ids: list[int], scale: float | None) -> float:
    present = sorted(set(ids))
    to_text = 0.0
    for image, own in zip(images, ids, strict=True):
        row = [logit(image, texts[person], scale) for person in present]
        to_text -= log_softmax(row, present.index(own)) / len(images)
    to_image = 0.0
    for person in present:
        row = [logit(image, texts[person], scale) for image in images]
        positives = [place for place, own in enumerate(ids) if own == person]
        to_image -= sum(log_softmax(row, place) for place in positives) / len(positives) / len(present)
    return to_text + to_image


def contrast_of_own_modality(
    images: list[Vector], texts: list[Vector], ids: list[int], modalities: list[str], scale: float | None
) -> float:
    """Stage 1a's loss, both ways: row i of `images` and of `texts` is of person ids[i] in modalities[i]."""
    owners = list(zip(ids, modalities, strict=True))
    total = 0.0
    for rows, columns in ((images, texts), (texts, images)):
        for row, own in zip(rows, owners, strict=True):
            values = [logit(row, column, scale) for column in columns]
            positives = [place for place, owner in enumerate(owners) if owner == own]
            total -= sum(log_softmax(values, place) for place in positives) / len(positives) / len(rows)
    return total


def cosine_regression(images: list[Vector], texts: list[Vector], ids: list[int]) -> float:
    return sum(1 - cosine(image, texts[own]) for image, own in zip(images, ids, strict=True)) / len(images)


def mse_regression(images: list[Vector], texts: list[Vector], ids: list[int]) -> float:
    squares = [
        (x - y) ** 2 for image, own in zip(images, ids, strict=True) for x, y in zip(image, texts[own], strict=True)
    ]
    return sum(squares) / len(squares)


def text_triplet(images: list[Vector], texts: list[Vector], ids: list[int], margin: float) -> float:
    total = 0.0
    for image, own in zip(images, ids, strict=True):
        hardest = max(cosine(image, text) for person, text in enumerate(texts) if person != own)
        total += max(0.0, margin + hardest - cosine(image, texts[own]))
    return total / len(images)
