"""What identifies files and values."""

import hashlib

import pytest

from csdn.artifacts import digests
from csdn.artifacts.cache_record import BlockDigests, record_path


def test_a_file_without_a_record_is_identified_by_all_its_bytes(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert digests.sha256(tmp_path / "a.npy") == digests.digest(tmp_path / "a.npy") == expected


def test_a_cache_with_a_record_is_identified_by_that_without_being_read(tmp_path):
    cache, blocks = tmp_path / "a.npy", BlockDigests()
    cache.write_bytes(b"abc")
    blocks.update(b"abc")
    record_path(cache).write_text(blocks.record(["x.jpg"]).text())
    recorded = digests.digest(cache)
    assert recorded != digests.sha256(cache)
    cache.write_bytes(b"abd")  # of the same size
    assert digests.digest(cache) == recorded
    cache.write_bytes(b"abcd")
    assert digests.digest(cache) == hashlib.sha256(b"abcd").hexdigest()


def test_canonical_json_ignores_the_order_of_keys():
    assert digests.canonical_json({"b": 1, "a": [1, 2]}) == digests.canonical_json({"a": [1, 2], "b": 1})


def test_canonical_json_has_no_spaces_and_no_numbers_that_are_not_json():
    assert digests.canonical_json({"b": [1, 2.0], "a": None}) == '{"a":null,"b":[1,2.0]}'
    with pytest.raises(ValueError, match="JSON"):
        digests.canonical_json([float("inf")])
