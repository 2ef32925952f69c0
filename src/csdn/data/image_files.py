"""Read image files of any kind a dataset may hold as RGB pixels, or say in one line why not (docs/data.md)."""

from __future__ import annotations

import hashlib
import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from csdn.errors import UserError, first_line

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
LARGEST_FILE = 64 * 2**20  # bytes; crops of persons have a few kilobytes
LARGEST_IMAGE = 50_000_000  # pixels; decoding more could exhaust the memory
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
PLAIN = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_ORIENTATION = 0x0112  # EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: Path, size: tuple[int, int]) -> tuple[np.ndarray, str]:
    """An image as RGB pixels, resized once (Lanczos).

    Grey, palette, CMYK and 16-bit images (their upper 8 bits) become RGB; an EXIF orientation is applied.

    Args:
        path: the file.
        size: height and width.

    Returns:
        uint8 pixels (H, W, 3), and the SHA-256 of the file, by which equal files are found.

    Raises:
        UserError: the file is missing, empty, truncated, not an image, too large, animated or partly transparent, or
            its pixels have no fixed range.
    """
    data = _read_bytes(path)
    rgb = decode(data, path)
    target = (size[1], size[0])
    pixels = np.asarray(rgb if rgb.size == target else rgb.resize(target, Image.Resampling.LANCZOS))
    return pixels, hashlib.sha256(data).hexdigest()


def decode(data: bytes, where: Path | str) -> Image.Image:
    """The image in `data`, upright, in mode RGB.

    Raises:
        UserError: see `read_image`; names `where`.
    """
    if not data:
        raise UserError(f"{where}: is empty (0 bytes); copy the image again, or delete it")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(data, where)
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"{where}: is too large for an image of a person; crop it or delete it") from error
    except Exception as error:  # damaged files raise exceptions of many kinds
        first = first_line(error)
        what = "is not an image" if "cannot identify" in first else f"cannot be read as an image ({first})"
        raise UserError(f"{where}: {what}; copy it again, or delete it") from error


def _decode(data: bytes, where: Path | str) -> Image.Image:
    with Image.open(BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > LARGEST_IMAGE:
            raise UserError(f"{where}: has {width} x {height} pixels; crop it to the person, or delete it")
        frames = getattr(image, "n_frames", 1)
        if frames > 1 and image.format != "MPO":  # MPO: a JPEG with previews as further frames
            raise UserError(f"{where}: holds {frames} frames; save only the one to use")
        image.load()
        turn = _UPRIGHT.get(_orientation(image))
        rgb = _to_rgb(image, where)
        return rgb.transpose(turn) if turn is not None else rgb


def _to_rgb(image: Image.Image, where: Path | str) -> Image.Image:
    if image.mode in SIXTEEN_BITS:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        if whole.getchannel("A").getextrema() != (255, 255):
            raise UserError(f"{where}: is partly transparent; save it without transparency")
        return whole.convert("RGB")
    if image.mode not in PLAIN:
        raise UserError(f"{where}: has pixels of mode {image.mode}; save it with 8 bits a channel")
    return image.convert("RGB")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, or 1 if it cannot be read: damaged EXIF does not affect the pixels."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return 1


def _read_bytes(path: Path) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > LARGEST_FILE:
            raise UserError(f"{path}: has {path.stat().st_size >> 20} MiB; crop it to the person, or delete it")
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: is not a file; delete it or copy the image again")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such image; the dataset is incomplete, copy it again") from error
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UserError(f"{path}: cannot be read ({reason}); change its permissions or copy it again") from error
