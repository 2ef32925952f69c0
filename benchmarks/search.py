"""Search among a million descriptors: memory, build time, queries a second and recall of each kind of index.

    python -m benchmarks.search results/sysu_mm01/default/runs/csdn/seed_0/embeddings.safetensors

The gallery is made of the descriptors in that file, widened by a fixed rotation and jittered along the differences
between them, and is written to disk in blocks of 16-bit floats; at no time is all of it in memory. Queries are alike.
Times are of one thread, in processor time, in which other processes do not count; reading from disk does not count
either, so that the time on the clock is given, too.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from csdn.search.gallery import map_features
from csdn.search.index import BLOCK, build_index, exact_search, import_faiss, search_index, unit

TOP = 10
JITTER = 0.5  # share of the difference of two other descriptors that is added to one
NOISE = 0.1  # length of what is added in a random direction, the descriptor's being 1
EFFORTS = {"ivf-pq": (16, 64), "hnsw": (128, 512)}
CANDIDATES = (100, 500)  # compared with the descriptors themselves
HEADER = ("index", "candidates", "memory, MiB", "build, s", "(clock)", "queries/s", "(clock)", "recall@10")


def jittered(base: np.ndarray, count: int, width: int, seed: int) -> Iterator[np.ndarray]:
    """Blocks of unit vectors (up to BLOCK, width), `count` in all, spread as the descriptors `base` (N, D) are."""
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((width, base.shape[1])))[0].T.astype(np.float32)
    wide = unit(base) @ rotation
    rng = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        chosen, plus, minus = rng.integers(0, len(wide), (3, size))
        noise = (rng.random((size, width), dtype=np.float32) - 0.5) * np.float32(NOISE * np.sqrt(12 / width))
        yield unit(wide[chosen] + JITTER * (wide[plus] - wide[minus]) + noise)


@contextmanager
def watched() -> Iterator[dict[str, float]]:
    """Seconds and `peak`, MiB of the process's own memory at its highest beyond that at the start."""
    before, found, ended = _own_memory(), {"peak": 0.0}, threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            found["peak"] = max(found["peak"], _own_memory() - before)

    watcher = threading.Thread(target=look)
    watcher.start()
    processor, clock = time.process_time(), time.perf_counter()
    try:
        yield found
    finally:
        found |= {"processor": time.process_time() - processor, "clock": time.perf_counter() - clock}
        ended.set()
        watcher.join()


def _own_memory() -> float:
    """MiB of memory that is no page of a file."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def write_gallery(path: Path, base: np.ndarray, count: int, width: int) -> np.ndarray:
    """The gallery as a file, memory-mapped read-only: float16 (count, width)."""
    gallery = np.memmap(path, np.float16, "w+", shape=(count, width))
    start = 0
    for block in jittered(base, count, width, seed=1):
        gallery[start : start + len(block)] = block
        start += len(block)
    gallery.flush()
    return np.memmap(path, np.float16, "r", shape=(count, width))


def recall(found: np.ndarray, truth: np.ndarray) -> float:
    """Share of the true neighbours (Q, k) that are among those found."""
    return float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth, strict=True)]))


def measure(gallery: np.ndarray, queries: np.ndarray, tell: Callable[[list[str]], None]) -> None:
    """Measure every kind and tell each row as soon as it is known."""
    with watched() as scan:
        truth = exact_search(gallery, queries, TOP)[1]
    tell(_row("flat, scanned from disk", "all", scan["peak"], None, scan, len(queries), 1.0))
    for kind, efforts in EFFORTS.items():
        with watched() as built:
            index = build_index(gallery, kind)
        for effort, candidates in zip(efforts, CANDIDATES, strict=True):
            with watched() as asked:
                found = search_index(index, gallery, queries, TOP, effort=effort, candidates=candidates)[1]
            name, share = f"{kind}, effort {effort}", recall(found, truth)
            tell(_row(name, str(candidates), _size(index), built, asked, len(queries), share, built["peak"]))


def _row(
    name: str, candidates: str, size: float, built: Any, asked: Any, queries: int, share: float, peak: float = 0.0
) -> list[str]:
    memory = f"{size:,.0f}" + (f" (building: {peak:,.0f})" if built else "")
    build = [f"{built['processor']:,.0f}", f"{built['clock']:,.0f}"] if built else ["0", "0"]
    speed = [f"{queries / asked[clock]:,.1f}" for clock in ("processor", "clock")]
    return [name, candidates, memory, *build, *speed, f"{share:.3f}"]


def _size(index: Any) -> float:
    """MiB of an index."""
    faiss = import_faiss()
    with tempfile.NamedTemporaryFile() as file:
        faiss.write_index(index, file.name)
        return Path(file.name).stat().st_size / 2**20


def main() -> None:
    """Parse, measure, print the table as Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__.splitlines()[0])
    parser.add_argument("embeddings", type=Path, help="embeddings.safetensors of a run")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=3072)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the gallery is written: 2 bytes a number (default: /tmp)")
    given = parser.parse_args()
    import_faiss().omp_set_num_threads(1)
    base = np.array(map_features(given.embeddings), dtype=np.float32)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        with watched() as made:
            gallery = write_gallery(Path(folder) / "gallery.f16", base, given.count, given.width)
        queries = np.concatenate(list(jittered(base, given.queries, given.width, seed=2)))
        print(
            f"{given.count:,} x {given.width:,}, {given.count * given.width * 2 / 2**20:,.0f} MiB on disk as float16, "
            f"made in {made['processor']:,.0f} s (clock {made['clock']:,.0f} s); {given.queries} queries\n"
        )
        print("| " + " | ".join(HEADER) + " |\n|" + " --- |" + " ---: |" * (len(HEADER) - 1), flush=True)
        measure(gallery, queries, lambda cells: print("| " + " | ".join(cells) + " |", flush=True))


if __name__ == "__main__":
    main()
