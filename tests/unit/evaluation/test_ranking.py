"""Retrieval metrics: the reference's numbers, an obvious twin on random cases, and what is refused."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_retrieval import slow_retrieval_metrics

from csdn.evaluation import ranking, ranks
from csdn.evaluation.protocols import sysu_ignore
from csdn.evaluation.ranking import retrieval_metrics, retrieval_metrics_from_features

FIXTURES = Path(__file__).parents[2] / "fixtures"
TOLERANCE = {"rtol": 0, "atol": 1e-7}


def load(layout, case):
    archive = np.load(FIXTURES / f"eval_{layout}.npz")
    return {name.removeprefix(f"{case}_"): archive[name] for name in archive.files if name.startswith(f"{case}_")}


def measure(layout, fixture, cmc):
    ignore = sysu_ignore(fixture["q_cams"], fixture["g_cams"]) if layout == "sysu" else None
    return retrieval_metrics(fixture["sim"], fixture["q_pids"], fixture["g_pids"], ignore=ignore, cmc=cmc)


@pytest.mark.parametrize("case", ["c0", "c1", "c2", "c3"])
@pytest.mark.parametrize(("layout", "cmc"), [("sysu", "identity"), ("regdb", "image")])
def test_reproduces_the_reference(layout, cmc, case):
    fixture = load(layout, case)
    found = measure(layout, fixture, cmc)
    expected = fixture["cmc"]
    np.testing.assert_allclose(found.cmc[: len(expected)], expected, **TOLERANCE)
    np.testing.assert_allclose(found.cmc[len(expected) :], expected[-1], **TOLERANCE)
    np.testing.assert_allclose(found.mean_average_precision, fixture["mAP"], **TOLERANCE)
    np.testing.assert_allclose(found.mean_inverse_negative_penalty, fixture["mINP"], **TOLERANCE)
    np.testing.assert_allclose(found.average_precision, fixture["AP_valid"], **TOLERANCE)
    np.testing.assert_allclose(found.inverse_negative_penalty, fixture["INP_valid"], **TOLERANCE)
    assert found.valid.sum() == fixture["num_valid"] == len(found.first_match_rank)
    np.testing.assert_allclose(found.cmc * found.valid.mean(), _padded(fixture["cmc_over_all_queries"]), **TOLERANCE)


@pytest.mark.parametrize("case", ["c0", "c1", "c2", "c3"])
def test_reproduces_the_ordinary_cmc_of_the_reference(case):
    fixture = load("sysu", case)
    expected = fixture["cmc_standard"]
    np.testing.assert_allclose(measure("sysu", fixture, "image").cmc[: len(expected)], expected, **TOLERANCE)


@pytest.mark.parametrize(("layout", "cmc"), [("sysu", "identity"), ("regdb", "image")])
def test_ties_rank_in_gallery_order(layout, cmc):
    fixture = load(layout, "c5")
    found = measure(layout, fixture, cmc)
    np.testing.assert_allclose(found.cmc, fixture["cmc_stable"], **TOLERANCE)
    np.testing.assert_allclose(found.mean_average_precision, fixture["mAP_stable"], **TOLERANCE)
    np.testing.assert_allclose(found.mean_inverse_negative_penalty, fixture["mINP_stable"], **TOLERANCE)
    assert fixture["mAP_ties_worst"] < found.mean_average_precision < fixture["mAP_ties_best"]


def test_pads_the_cmc_where_the_reference_fails():
    found = measure("sysu", load("sysu", "fail"), "identity")
    assert found.cmc.shape == (20,)
    assert np.isfinite(found.cmc).all()
    assert found.cmc[-1] == 1.0


def _padded(curve):
    return np.concatenate([curve, np.full(20 - len(curve), curve[-1])])


@st.composite
def cases(draw):
    queries, gallery = draw(st.integers(0, 9)), draw(st.integers(0, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([1, 2, 5, 10**6]))
    similarity = (generator.integers(-levels, levels + 1, (queries, gallery)) / levels).astype(
        draw(st.sampled_from([np.float32, np.float64]))
    )
    persons = draw(st.sampled_from([1, 3, 12]))
    ignore = generator.random((queries, gallery)) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
    return (
        similarity,
        generator.integers(-1, persons, queries),
        generator.integers(-1, persons, gallery),
        draw(st.sampled_from([None, ignore])),
    )


def assert_equals_the_twin(case, cmc, ranks_counted):
    similarity, query_ids, gallery_ids, ignore = case
    found = retrieval_metrics(similarity, query_ids, gallery_ids, ignore=ignore, cmc=cmc, ranks=ranks_counted)
    expected = slow_retrieval_metrics(similarity, query_ids, gallery_ids, ignore, cmc, ranks_counted)
    assert found.valid.tolist() == expected.valid
    assert found.first_match_rank.tolist() == expected.first_match_rank
    np.testing.assert_allclose(found.average_precision, expected.average_precision, rtol=1e-12)
    np.testing.assert_allclose(found.inverse_negative_penalty, expected.inverse_negative_penalty, rtol=1e-12)
    if any(expected.valid):
        np.testing.assert_allclose(found.cmc, expected.cmc, rtol=1e-12)
        np.testing.assert_allclose(found.mean_average_precision, np.mean(expected.average_precision), rtol=1e-12)
        np.testing.assert_allclose(
            found.mean_inverse_negative_penalty, np.mean(expected.inverse_negative_penalty), rtol=1e-12
        )
    else:
        assert np.isnan([*found.cmc, found.mean_average_precision, found.mean_inverse_negative_penalty]).all()


@settings(max_examples=150, deadline=None)
@given(case=cases(), cmc=st.sampled_from(["identity", "image"]), ranks_counted=st.integers(1, 25))
def test_equals_the_obvious_twin(case, cmc, ranks_counted):
    assert_equals_the_twin(case, cmc, ranks_counted)


@settings(max_examples=60, deadline=None)
@given(case=cases(), cmc=st.sampled_from(["identity", "image"]), elements=st.integers(1, 100))
def test_equals_the_obvious_twin_in_blocks_of_any_size(case, cmc, elements):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "SORTED_ELEMENTS", elements)
        assert_equals_the_twin(case, cmc, 20)


@pytest.mark.parametrize("block", [1, 7, 4096])
@pytest.mark.parametrize("product_elements", [1, 1 << 26])
def test_features_give_what_their_products_give(block, product_elements, monkeypatch):
    monkeypatch.setattr(ranking, "PRODUCT_ELEMENTS", product_elements)
    generator = np.random.default_rng(3)
    query, gallery = generator.standard_normal((23, 5)), generator.standard_normal((40, 5))
    query_ids, gallery_ids = generator.integers(0, 6, 23), generator.integers(0, 6, 40)
    query_cameras, gallery_cameras = generator.choice([3, 6], 23), generator.choice([1, 2], 40)
    ignore = sysu_ignore(query_cameras, gallery_cameras)
    expected = retrieval_metrics(query @ gallery.T, query_ids, gallery_ids, ignore=ignore)
    found = retrieval_metrics_from_features(
        query,
        gallery,
        query_ids,
        gallery_ids,
        query_cameras=query_cameras,
        gallery_cameras=gallery_cameras,
        ignore=lambda ids, cameras, other_ids, other_cameras: sysu_ignore(cameras, other_cameras),
        block=block,
    )
    np.testing.assert_array_equal(found.cmc, expected.cmc)
    np.testing.assert_array_equal(found.average_precision, expected.average_precision)
    np.testing.assert_array_equal(found.valid, expected.valid)


def test_takes_lists_integers_and_half_precision():
    found = retrieval_metrics([[3, 2, 1]], ["b"], ["a", "b", "a"], ranks=2)
    assert found.cmc.tolist() == [0.0, 1.0]
    half = retrieval_metrics(np.array([[3, 2, 1]], np.float16), ["b"], ["a", "b", "a"], ranks=2)
    assert half.first_match_rank.tolist() == [2]


def test_leaves_its_arguments_alone():
    similarity, ignore = np.array([[0.1, 0.3, 0.2]]), np.array([[False, True, False]])
    for array in (similarity, ignore):
        array.flags.writeable = False
    retrieval_metrics(similarity, [1], [1, 1, 2], ignore=ignore)
    retrieval_metrics(np.asfortranarray(similarity), [1], [1, 1, 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, 2.0]], [1], [1]), r"similarity has shape \(1, 2\); expected .* \(1, 1\)"),
        (([[1.0, np.nan]], [1], [1, 2]), "similarity of query 0 is not finite"),
        (([[1.0, 2.0], [np.inf, 2.0]], [1, 1], [1, 2]), "similarity of query 1 is not finite"),
        (([[1.0, 2.0], [-np.inf, 2.0]], [1, 1], [1, 2]), "similarity of query 1 is not finite"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        retrieval_metrics(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": [[True]]}, "ignore has shape"),
        ({"cmc": "person"}, "cmc is 'person'"),
        ({"ranks": 0}, "ranks is 0"),
    ],
)
def test_refuses_options(options, message):
    with pytest.raises(ValueError, match=message):
        retrieval_metrics([[1.0, 2.0]], [1], [1, 2], **options)


def test_an_ignored_similarity_need_not_be_finite():
    found = retrieval_metrics([[np.nan, 0.5, np.inf]], [1], [1, 1, 2], ignore=[[True, False, True]])
    assert found.average_precision.tolist() == [1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gallery": np.zeros((3, 5))}, "features have shapes"),
        ({"query_ids": [1]}, "query_ids has shape"),
        ({"ignore": sysu_ignore}, "ignore needs query_cameras"),
        ({"block": 0}, "block is 0"),
    ],
)
def test_refuses_features(options, message):
    arguments = {"query": np.zeros((2, 4)), "gallery": np.zeros((3, 4)), "query_ids": [1, 2], "gallery_ids": [1, 2, 3]}
    with pytest.raises(ValueError, match=message):
        retrieval_metrics_from_features(**{**arguments, **options})


def test_memory_stays_bounded(monkeypatch):
    """More queries differ in the number of blocks only, and a block takes so many bytes for each of its elements."""
    of_product, of_sorted = 6, 64
    assert of_product * ranking.PRODUCT_ELEMENTS + of_sorted * ranks.SORTED_ELEMENTS < 2 * 1024**3
    monkeypatch.setattr(ranking, "PRODUCT_ELEMENTS", 2**18)
    monkeypatch.setattr(ranks, "SORTED_ELEMENTS", 2**15)
    generator = np.random.default_rng(0)
    gallery = generator.standard_normal((5000, 128), dtype=np.float32)
    ids = generator.integers(0, 500, len(gallery))

    def peak(queries):
        tracemalloc.start()
        assert retrieval_metrics_from_features(gallery[:queries], gallery, ids[:queries], ids).valid.all()
        bytes_held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return bytes_held

    few, many = peak(2 * 2**18 // 5000), peak(10 * 2**18 // 5000)
    assert many < 1.1 * few
    assert many < of_product * 2**18 + of_sorted * 2**15


@pytest.mark.slow
def test_ranks_10_000_against_100_000_in_4_gib():
    import subprocess
    import sys

    code = (
        "import numpy as np, resource\n"
        "from csdn.evaluation.ranking import retrieval_metrics_from_features\n"
        "generator = np.random.default_rng(0)\n"
        "features = generator.standard_normal((100_000, 128), dtype=np.float32)\n"
        "ids = generator.integers(0, 10_000, len(features))\n"
        "found = retrieval_metrics_from_features(features[:10_000], features, ids[:10_000], ids)\n"
        "assert found.cmc[0] == 1\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 4 * 1024**2  # KiB
