"""k-reciprocal re-ranking written as its paper says it: sets and loops, one image at a time."""

import numpy as np


def slow_reranked_similarity(query, gallery, k1, k2, original_weight):
    features = [np.asarray(x, dtype=float) for x in (*query, *gallery)]
    count = len(features)
    distance = np.array([[float(((a - b) ** 2).sum()) for b in features] for a in features])
    for row in distance:
        row /= row.max() or 1.0
    ranked = [sorted(range(count), key=lambda j, row=row: (row[j], j)) for row in distance]

    def reciprocal(i, k):
        return {j for j in ranked[i][: k + 1] if i in ranked[j][: k + 1]}

    encodings = np.zeros((count, count))
    for i in range(count):
        near = reciprocal(i, k1)
        expanded = set(near)
        for candidate in near:
            further = reciprocal(candidate, int(np.around(k1 / 2)))
            if len(further & near) > 2 / 3 * len(further):
                expanded |= further
        for j in expanded:
            encodings[i, j] = np.exp(-distance[i, j])
        encodings[i] /= encodings[i].sum() or 1.0  # among many equal images an image may not be its own neighbour
    if k2 > 1:
        encodings = np.array([np.mean([encodings[j] for j in ranked[i][:k2]], axis=0) for i in range(count)])

    similarity = np.zeros((len(query), len(gallery)))
    for i in range(len(query)):
        for j in range(len(gallery)):
            a, b = encodings[i], encodings[len(query) + j]
            shared = np.minimum(a, b).sum()
            jaccard = 1 - shared / (2 - shared)
            similarity[i, j] = -((1 - original_weight) * jaccard + original_weight * distance[i, len(query) + j])
    return similarity
