"""Image files of many kinds, as they are made for the tests of reading them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features

from engine.errors import ImageError
from engine.images.decode import read_image

# [3, 2, 3], no two alike
CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]], [[0, 0, 0], [10, 20, 30]]], np.uint8)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int, depth: int = 8, color: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))


def refusal(data: bytes, name: str = "cat.png") -> str:
    with pytest.raises(ImageError) as caught:
        read_image(data, name)
    assert caught.value.__cause__ is None
    return str(caught.value)


# AVIF and HEIC are never exact, even at their best: RGB becomes YCbCr.
# Optional, but required where all extras are, as in CI.
REQUIRED = os.environ.get("FEWLAB_REQUIRE_EXTRAS") == "1"
needs_avif = pytest.mark.skipif(not REQUIRED and not features.check("avif"), reason="this Pillow reads no AVIF")
needs_heif = pytest.mark.skipif(
    not REQUIRED and find_spec("pillow_heif") is None, reason="pillow-heif is not installed"
)
MODERN = [pytest.param("AVIF", marks=needs_avif), pytest.param("HEIF", marks=needs_heif)]
BEST: dict[str, dict[str, Any]] = {
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
    "HEIF": {"quality": -1, "chroma": 444},
}


def blocks(side: int = 64) -> npt.NDArray[np.uint8]:
    """[side, side, 3]: four quarters of one color each, which survive any compression."""
    image = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    image[:half, :half], image[:half, half:], image[half:, :half] = (200, 30, 40), (30, 180, 60), (20, 40, 200)
    return image


# Read exactly as seen
