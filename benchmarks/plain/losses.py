"""The losses written out anchor by anchor."""

import torch
import torch.nn.functional as F


def contrastive(images, texts, labels):
    """Symmetric supervised contrastive loss on dot products, one row at a time."""
    logits = images @ texts.T
    total = 0.0
    for scores in (logits, logits.T):
        rows = []
        for row, label in enumerate(labels):
            rows.append(-F.log_softmax(scores[row], dim=0)[labels == label].mean())
        total = total + torch.stack(rows).mean()
    return total


def distances(a, b):
    """Euclidean distances of all pairs, as the field writes them: |a|^2 + |b|^2 - 2 a b."""
    squared = a.pow(2).sum(1)[:, None].expand(len(a), len(b)) + b.pow(2).sum(1)[None, :].expand(len(a), len(b))
    return (squared - 2 * a @ b.T).clamp(min=1e-12).sqrt()


def weighted_triplet(features, labels):
    """WRT: each anchor's softmax-weighted distances to positives and negatives."""
    between = distances(features, features)
    rows = []
    for row, label in enumerate(labels):
        positive, negative = between[row][labels == label], between[row][labels != label]
        furthest = (positive * positive.softmax(0)).sum()
        nearest = (negative * (-negative).softmax(0)).sum()
        rows.append(F.softplus(furthest - nearest))
    return torch.stack(rows).mean()


def modality_shared(visible, infrared, labels):
    """MSEL: each anchor's mean distance within its modality against that across modalities."""
    total = 0.0
    for own, other in ((visible, infrared), (infrared, visible)):
        within, across = distances(own, own), distances(own, other)
        rows = []
        for row, label in enumerate(labels):
            mates = labels == label
            others = mates.clone()
            others[row] = False
            if others.any():
                rows.append((within[row][others].mean() - across[row][mates].mean()).pow(2))
        total = total + torch.stack(rows).mean()
    return total / 2
