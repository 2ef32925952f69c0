"""Image files of every kind: the right pixels, or one line that names the file."""

import hashlib
import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from csdn.data.image_files import decode, read_image
from csdn.errors import UserError
from helpers.small_datasets import noise

PIXELS = noise(1)
GREY = PIXELS[..., 0]


def encoded(image, kind="PNG", **options):
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rgb(data):
    return np.asarray(decode(data, "file"))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_plain_images_keep_their_pixels(kind):
    np.testing.assert_array_equal(rgb(encoded(Image.fromarray(PIXELS), kind)), PIXELS)


def test_grey_and_palette_images_become_rgb():
    grey = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(rgb(encoded(Image.fromarray(GREY))), grey)
    palette = Image.fromarray(GREY // 64 * 64).quantize(4)
    np.testing.assert_array_equal(rgb(encoded(palette)), np.asarray(palette.convert("RGB")))
    bits = Image.fromarray(GREY > 127)
    np.testing.assert_array_equal(rgb(encoded(bits)), np.where(grey > 127, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_the_upper_eight(kind):
    wide = GREY.astype(np.uint16) * 256 + 255 - GREY
    np.testing.assert_array_equal(rgb(encoded(Image.fromarray(wide), kind))[..., 0], GREY)


def test_cmyk_becomes_rgb():
    flat = np.full((16, 8, 3), (200, 40, 90), np.uint8)
    data = encoded(Image.fromarray(flat).convert("CMYK"), "JPEG", quality=100)
    assert np.abs(rgb(data).astype(int) - flat).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {  # what the picture is when the stored rows are shown as the standard says
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2),
        6: np.rot90(PIXELS, -1),
        7: PIXELS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(PIXELS),
    }
    np.testing.assert_array_equal(rgb(encoded(Image.fromarray(PIXELS), kind, exif=exif)), turned[orientation])


def test_opaque_alpha_is_dropped_and_damaged_exif_ignored():
    opaque = Image.fromarray(PIXELS).convert("RGBA")
    np.testing.assert_array_equal(rgb(encoded(opaque)), PIXELS)
    flat = np.full((16, 8, 3), 90, np.uint8)
    damaged = encoded(Image.fromarray(flat), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    np.testing.assert_array_equal(rgb(damaged), flat)


def test_read_image_resizes_once_and_gives_the_digest_of_the_file(tmp_path):
    data = encoded(Image.fromarray(PIXELS))
    (tmp_path / "a.png").write_bytes(data)
    pixels, digest = read_image(tmp_path / "a.png", (8, 4))
    expected = Image.fromarray(PIXELS).resize((4, 8), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(pixels, np.asarray(expected))
    assert digest == hashlib.sha256(data).hexdigest()
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", (16, 8))[0], PIXELS)


def transparent():
    image = Image.fromarray(PIXELS).convert("RGBA")
    image.putpixel((3, 3), (0, 0, 0, 0))
    return encoded(image)


FRAMES = [Image.fromarray(noise(n)) for n in (2, 3)]
JPEG = encoded(Image.fromarray(np.kron(PIXELS, np.ones((8, 8, 1), np.uint8))), "JPEG")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"no image at all", "is not an image"),
        (JPEG[: len(JPEG) // 2], "cannot be read as an image .*truncated"),
        (encoded(Image.fromarray(PIXELS))[:-40], "cannot be read as an image"),
        (encoded(Image.fromarray(PIXELS), "BMP")[:-40], "cannot be read as an image"),
        (encoded(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "has pixels of mode F"),
        (encoded(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "has pixels of mode I"),
        (transparent(), "is partly transparent"),
        (encoded(FRAMES[0], "TIFF", save_all=True, append_images=FRAMES[1:]), "holds 2 frames"),
        (encoded(FRAMES[0], "GIF"), "is not an image"),
        (encoded(Image.new("1", (9000, 6000))), "has 9000 x 6000 pixels"),
    ],
)
def test_a_file_that_is_not_an_image_of_a_person_is_reported_in_one_line(data, message):
    with pytest.raises(UserError, match=message) as caught:
        decode(data, "/data/a.jpg")
    assert re.fullmatch(r"/data/a\.jpg: .*; .*", str(caught.value))


def test_a_missing_file_a_folder_and_a_large_file_are_reported(tmp_path):
    with pytest.raises(UserError, match="no such image"):
        read_image(tmp_path / "a.jpg", (8, 4))
    with pytest.raises(UserError, match="is not a file"):
        read_image(tmp_path, (8, 4))
    with (tmp_path / "b.jpg").open("wb") as handle:
        handle.truncate(100 * 2**20)
    with pytest.raises(UserError, match="has 100 MiB"):
        read_image(tmp_path / "b.jpg", (8, 4))
