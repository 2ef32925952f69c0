"""The record beside a pixel cache: what it holds, and which damage it shows."""

import hashlib

import numpy as np
import pytest

from csdn.artifacts import cache_record
from csdn.artifacts.cache_record import BlockDigests, CacheRecord, find_damage, read_record, recorded_digest, sampled

PATHS = [f"{n}.jpg" for n in range(50)]


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(cache_record, "BLOCK_BYTES", 1000)


@pytest.fixture
def cache(tmp_path, small_blocks):
    """A file of 20 blocks, so that not all are verified on opening, and its record."""
    path, digests = tmp_path / "cache.npy", BlockDigests()
    path.write_bytes(np.random.default_rng(0).bytes(19_500))
    digests.update(path.read_bytes())
    cache_record.record_path(path).write_text(digests.record(PATHS).text())
    return path


def test_digests_do_not_depend_on_how_the_bytes_come(small_blocks):
    data = np.random.default_rng(1).bytes(40_000)
    one, many = BlockDigests(), BlockDigests()
    one.update(data)
    for start in range(0, len(data), 777):
        many.update(data[start : start + 777])
    assert one.record(PATHS) == many.record(PATHS)


def test_the_first_and_last_block_are_always_verified():
    assert sampled(["x"]) == [0]
    assert sampled(["x"] * 5) == [0, 1, 2, 3, 4]
    some = sampled(["x"] * 1000)
    assert (len(some), some[0], some[-1]) == (8, 0, 999)


def test_a_changed_byte_anywhere_is_noticed_by_reading_all(cache):
    skipped = next(n for n in range(20) if n not in sampled(range(20)))
    content = bytearray(cache.read_bytes())
    content[skipped * 1000] ^= 1
    cache.write_bytes(content)
    assert find_damage(cache) is None
    assert f"block {skipped} of 20" in find_damage(cache, whole=True)


def test_the_digest_is_of_the_blocks_and_of_the_images_in_their_order():
    def digest(images, *blocks):
        return CacheRecord(3, cache_record.digest_of_paths(images), blocks).digest()

    images = hashlib.sha256(b"a\nb\n").hexdigest()
    assert digest("ab", "x", "y") == hashlib.sha256(f"{images}\nx\ny".encode()).hexdigest()
    assert len({digest("ab", "x", "y"), digest("ba", "x", "y"), digest(["ab"], "x", "y"), digest("ab", "y", "x")}) == 4


def test_a_record_is_read_back_and_one_that_is_not_whole_is_none(cache):
    record = read_record(cache)
    assert (record.size, len(record.blocks)) == (19_500, 20)
    for text in ("", "[]", '{"size": "many", "images": "", "blocks": []}', '{"size": 1, "images": "x"}'):
        cache_record.record_path(cache).write_text(text)
        assert read_record(cache) is None, text
        assert find_damage(cache).startswith("has no record cache.npy.blocks.json")


def test_only_a_cache_of_its_recorded_size_has_a_recorded_digest(cache, tmp_path):
    assert recorded_digest(cache) == read_record(cache).digest()
    with cache.open("ab") as handle:
        handle.write(b"x")
    assert recorded_digest(cache) is None
    assert find_damage(cache) == "has 19501 bytes of 19500"
    cache.unlink()
    assert find_damage(cache) == "cannot be read (No such file or directory)"
    assert recorded_digest(tmp_path / "encoder.safetensors") is None
