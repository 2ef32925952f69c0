"""The pixel cache and its record: what is written, and what is noticed when it is opened."""

import hashlib

import numpy as np
import pytest

from csdn.artifacts import cache_record
from csdn.artifacts.cache_record import read_record, recorded_digest
from csdn.artifacts.digests import digest
from csdn.data.image_cache import open_cache, write_pixels
from csdn.errors import UserError

PATHS = [f"{n}.jpg" for n in range(50)]


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (50, 16, 8, 3), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path, pixels, monkeypatch):
    """A cache of 20 blocks, so that not all are verified on opening."""
    monkeypatch.setattr(cache_record, "BLOCK_BYTES", 1000)
    write_pixels(tmp_path / "cache.npy", pixels.shape, iter(pixels), PATHS)
    return tmp_path / "cache.npy"


def test_the_cache_is_what_numpy_would_write(cache, pixels, tmp_path):
    np.save(tmp_path / "other.npy", pixels)
    assert cache.read_bytes() == (tmp_path / "other.npy").read_bytes()
    np.testing.assert_array_equal(open_cache(cache, 50, PATHS), pixels)
    with pytest.raises(ValueError, match="read-only"):
        open_cache(cache, 50, PATHS)[0] = 0


def test_the_record_holds_the_digest_of_each_block(cache):
    data = cache.read_bytes()
    blocks = [hashlib.sha256(data[i : i + 1000]).hexdigest() for i in range(0, len(data), 1000)]
    record = read_record(cache)
    assert (record.size, list(record.blocks)) == (len(data), blocks)
    assert digest(cache) == recorded_digest(cache) == record.digest()


@pytest.mark.parametrize("position", [0, -1])
def test_a_changed_byte_at_the_ends_is_noticed_at_once(cache, position):
    content = bytearray(cache.read_bytes())
    content[position] ^= 1
    cache.write_bytes(content)
    with pytest.raises(UserError, match=r"was changed after it was written \(block \d+ of 20\); delete it"):
        open_cache(cache, 50, PATHS)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "has 19327 bytes of 19328"),
        (lambda path: path.with_name("cache.npy.blocks.json").unlink(), "has no record cache.npy.blocks.json"),
        (lambda path: path.with_name("cache.npy.blocks.json").write_text("{}"), "has no record"),
        (lambda path: path.unlink(), "no such file"),
    ],
)
def test_a_cache_that_is_not_as_recorded_is_refused(cache, damage, message):
    damage(cache)
    with pytest.raises(UserError, match=message):
        open_cache(cache, 50, PATHS)


def test_a_cache_of_other_images_is_refused(cache):
    with pytest.raises(UserError, match="holds the pixels of other images"):
        open_cache(cache, 50, reversed(PATHS))
    with pytest.raises(UserError, match="holds 50 images, but the index has 49"):
        open_cache(cache, 49)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"text" * 50, b"PK\x03\x04" + b"\0" * 60])
def test_a_file_that_is_not_a_cache_is_refused(tmp_path, content):
    (tmp_path / "cache.npy").write_bytes(content)
    with pytest.raises(UserError, match="is not a pixel cache"):
        open_cache(tmp_path / "cache.npy", 1)


def test_pixels_that_do_not_fill_the_shape_write_nothing(tmp_path, pixels):
    with pytest.raises(ValueError, match="bytes of pixels do not fill the shape"):
        write_pixels(tmp_path / "cache.npy", pixels.shape, iter(pixels[:-1]), PATHS)
    assert not list(tmp_path.iterdir())
