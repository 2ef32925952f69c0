"""Search against the plainest way to do it."""

import numpy as np
import pytest

from csdn.data.vectors import unit_vectors
from csdn.errors import UserError
from csdn.search.index import build_index, exact_search, search_index


def plain(features, queries, top):
    """Sort all cosines of each query."""
    rows = []
    for query in queries:
        one = query.astype(np.float64)
        cosine = [v @ one / (np.linalg.norm(v) * np.linalg.norm(one)) for v in features.astype(np.float64)]
        rows.append(sorted(range(len(features)), key=lambda row: (-cosine[row], row))[:top])
    return np.array(rows)


def people(count, width=48, seed=0):
    """Features in clusters, as those of people are, and queries near some of them."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 8, width))
    features = centres[np.arange(count) % len(centres)] + 0.4 * rng.standard_normal((count, width))
    queries = features[::97][:20] + 0.3 * rng.standard_normal((len(features[::97][:20]), width))
    return features.astype(np.float32), queries.astype(np.float32)


@pytest.mark.parametrize(("count", "top", "block"), [(60, 5, 7), (60, 5, 60), (3, 10, 2), (1, 1, 8)])
def test_the_exact_search_is_the_plain_one_whatever_the_block(count, top, block):
    features, queries = (
        part.astype(np.float32) for part in np.split(np.random.default_rng(0).random((count + 4, 48)), [count])
    )
    similarity, rows = exact_search(features, queries, top, block)
    assert np.array_equal(rows, plain(features, queries, top))
    assert np.allclose(
        similarity, np.take_along_axis(unit_vectors(queries) @ unit_vectors(features).T, rows, axis=1), atol=1e-6
    )


def test_equal_vectors_come_in_the_order_of_rows():
    features = np.tile(np.eye(2, 4, dtype=np.float32), (5, 1))
    assert exact_search(features, features[:1], 5, block=3)[1].tolist() == [[0, 2, 4, 6, 8]]


@pytest.mark.parametrize("kind", ["ivf-pq", "hnsw"])
def test_an_approximate_index_finds_what_the_exact_search_finds(kind):
    pytest.importorskip("faiss", reason="pip install -c constraints.txt -e '.[search]'")
    features, queries = people(3000)
    index = build_index(features, kind)
    expected_similarity, expected = exact_search(features, queries, 10)
    similarity, rows = search_index(index, features, queries, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows, expected, strict=True)])
    assert recall > 0.95
    found = rows[:, 0] == expected[:, 0]
    assert np.allclose(similarity[found, 0], expected_similarity[found, 0], atol=1e-6)
    assert (np.diff(similarity, axis=1) <= 0).all()


def test_too_few_images_for_a_product_quantiser_are_refused():
    pytest.importorskip("faiss", reason="pip install -c constraints.txt -e '.[search]'")
    with pytest.raises(UserError, match=r"--kind ivf-pq: needs at least 1,000 images, but there are 80; use flat"):
        build_index(people(80)[0], "ivf-pq")


def test_a_small_graph_answers_with_what_there_is():
    pytest.importorskip("faiss", reason="pip install -c constraints.txt -e '.[search]'")
    features = people(80)[0][:5]
    similarity, rows = search_index(build_index(features, "hnsw"), features, features[:2], 10)
    assert sorted(rows[0]) == [0, 1, 2, 3, 4] and rows[:, 0].tolist() == [0, 1]
    assert np.isfinite(similarity).all()
