"""Speed of the evaluation: ours, two loops over queries, and the floor of product and sort, interleaved in one run.

    python benchmarks/evaluation.py [--repeats 7] [--dimension 6144] [--large]

Every round times all of them one after another, so that a change of the machine's speed meets all alike; ratios are the
medians over rounds. OMP_NUM_THREADS limits the threads of the product; all else is single-threaded.
Both loops sort all rows at once; then the plain one works on whole rows, the lean one mostly on the correct images.
`--large` also ranks 10,000 queries against 100,000 images of 128-d features once and prints time and peak memory.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from csdn.evaluation.protocols import sysu_ignore
from csdn.evaluation.ranking import retrieval_metrics, retrieval_metrics_from_features


def plain_loop(similarity, query_ids, gallery_ids, ignore, cmc, ranks=20):
    """CMC, mAP and mINP with one argsort for all, then whole rows a query."""
    order = np.argsort(-similarity, axis=1)
    curves, precisions, penalties = [], [], []
    for query in range(len(query_ids)):
        ranked = order[query]
        if ignore is not None:
            ranked = ranked[~ignore[query][ranked]]
        answers = gallery_ids[ranked]
        correct = answers == query_ids[query]
        if not correct.any():
            continue
        found = correct.cumsum()
        precisions.append((found / np.arange(1, len(found) + 1))[correct].mean())
        penalties.append(found[-1] / (np.flatnonzero(correct)[-1] + 1))
        if cmc == "identity":
            distinct = answers[np.sort(np.unique(answers, return_index=True)[1])]
            found = (distinct == query_ids[query]).cumsum()
        curves.append(found[:ranks] > 0)
    return np.mean(curves, axis=0), np.mean(precisions), np.mean(penalties)


def lean_loop(similarity, query_ids, gallery_ids, ignore, cmc, ranks=20):
    """CMC, mAP and mINP with one argsort for all and a few array operations a query."""
    order = np.argsort(-similarity, axis=1)
    cmc_sum, precisions, penalties = np.zeros(ranks), [], []
    for query in range(len(query_ids)):
        ranked = order[query]
        if ignore is not None:
            ranked = ranked[~ignore[query][ranked]]
        answers = gallery_ids[ranked]
        correct = np.flatnonzero(answers == query_ids[query])
        if not len(correct):
            continue
        precisions.append(np.mean(np.arange(1, len(correct) + 1) / (correct + 1)))
        penalties.append(len(correct) / (correct[-1] + 1))
        first = correct[0] if cmc == "image" else len(np.unique(answers[: correct[0]]))
        cmc_sum[first:] += 1
    return cmc_sum / len(precisions), np.mean(precisions), np.mean(penalties)


def sysu_case(shots: int, generator: np.random.Generator):
    """Identities and cameras as SYSU-MM01 has them: 3,803 queries, 301 folders of gallery images, 96 identities."""
    folders = [(person, camera) for person in range(96) for camera in (1, 2, 4, 5)]
    kept = np.sort(generator.choice(len(folders), 301, replace=False))
    gallery = np.repeat(np.array(folders)[kept], shots, axis=0)
    query_ids = np.sort(generator.integers(0, 96, 3803))
    ignore = sysu_ignore(generator.choice([3, 6], 3803), gallery[:, 1])
    return query_ids, gallery[:, 0].copy(), ignore, "identity"


def regdb_case(generator: np.random.Generator):
    """Identities as a RegDB split has them: 206 with ten images in each modality."""
    ids = np.repeat(np.arange(206), 10)
    return ids, ids.copy(), None, "image"


def features_of(ids: np.ndarray, centres: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Unit features around the identities' centres, so far apart that retrieval is neither perfect nor hopeless."""
    noise = generator.standard_normal((len(ids), centres.shape[1]), dtype=np.float32)
    features = centres[ids] + 3 * noise
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def seconds(function: Callable[[], object]) -> float:
    """Wall-clock time of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(name: str, case, dimension: int, repeats: int, generator: np.random.Generator) -> None:
    """Print times in milliseconds and ratios of one case."""
    query_ids, gallery_ids, ignore, cmc = case
    centres = generator.standard_normal((206, dimension), dtype=np.float32) * (64 / dimension) ** 0.25
    query, gallery = features_of(query_ids, centres, generator), features_of(gallery_ids, centres, generator)
    similarity = query @ gallery.T
    arguments = similarity, query_ids, gallery_ids, ignore, cmc
    functions = {
        "ours": lambda: retrieval_metrics(similarity, query_ids, gallery_ids, ignore=ignore, cmc=cmc),
        "plain": lambda: plain_loop(*arguments),
        "lean": lambda: lean_loop(*arguments),
        "product": lambda: query @ gallery.T,
        "argsort": lambda: np.argsort(-similarity, axis=1),
    }
    ours = functions["ours"]()
    for loop in ("plain", "lean"):
        np.testing.assert_allclose(ours.cmc, functions[loop]()[0], atol=1e-6)
        np.testing.assert_allclose(ours.mean_average_precision, functions[loop]()[1], atol=1e-6)

    rounds = np.array([[seconds(function) for function in functions.values()] for _ in range(repeats)])
    rank, plain, lean, product, sort = rounds.T
    times = "".join(f"{1000 * np.median(column):9.1f}" for column in rounds.T)
    ratios = (plain / rank, lean / rank, rank / product, rank / (product + sort))
    print(f"{name:20}{times}   " + "".join(f"{np.median(ratio):12.2f}" for ratio in ratios))


def rank_large() -> None:
    """Rank 10,000 queries against 100,000 images and print time and peak memory of the process."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((100_000, 128), dtype=np.float32)
    ids = generator.integers(0, 10_000, len(features))
    taken = seconds(lambda: retrieval_metrics_from_features(features[:10_000], features, ids[:10_000], ids))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"10,000 x 100,000 of 128-d: {taken:.0f} s, peak memory {peak:.2f} GiB")


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--dimension", type=int, default=6144)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    print(
        f"{'milliseconds':20}{'ours':>9}{'plain':>9}{'lean':>9}{'product':>9}{'argsort':>9}   "
        f"{'plain/ours':>12}{'lean/ours':>12}{'ours/prod.':>12}{'ours/floor':>12}"
    )
    for name, case in (
        ("SYSU 3,803 x 301", sysu_case(1, generator)),
        ("SYSU 3,803 x 3,010", sysu_case(10, generator)),
        ("RegDB 2,060 x 2,060", regdb_case(generator)),
    ):
        compare(name, case, arguments.dimension, arguments.repeats, generator)
    if arguments.large:
        rank_large()


if __name__ == "__main__":
    main()
