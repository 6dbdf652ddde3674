"""Image files of every kind that people have: each is read exactly as seen."""

from __future__ import annotations

import struct
import sys
import zlib
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.images import decode
from engine.images.decode import read_image
from tests.hostile.image_files import (
    BEST,
    CORNERS,
    MODERN,
    blocks,
    encoded,
    needs_heif,
    png_chunk,
    png_header,
    refusal,
)


@pytest.fixture(autouse=True)
def writes_heif() -> None:
    if find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


@pytest.mark.parametrize("format", MODERN)
@pytest.mark.parametrize("name", ["photo.jpg", "photo.heic"])
def test_photos_of_a_phone_are_read_whatever_they_are_called(format: str, name: str) -> None:
    pixels = read_image(encoded(Image.fromarray(blocks()), format, **BEST[format]), name)
    assert pixels.shape == (64, 64, 3)
    assert np.abs(pixels.astype(int) - blocks()).max() <= 8


@pytest.mark.parametrize("format", MODERN)
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_photos_of_a_phone_stand_upright(format: str, orientation: int) -> None:
    quarters = {1: 0, 3: 2, 6: 1, 8: -1}[orientation]  # to the left: what the camera stored of an upright scene
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(blocks(), quarters)))
    stored.info["exif"] = exif.tobytes()  # where pillow-heif finds it, and writes it as a phone does: as a turn, too
    data = encoded(stored, format, **({"exif": exif} if format == "AVIF" else {}), **BEST[format])
    assert (b"irot" in data) == (orientation != 1)
    pixels = read_image(data)
    assert np.abs(pixels.astype(int) - blocks()).max() <= 8


@needs_heif
def test_an_embedded_thumbnail_is_never_taken_for_the_photo() -> None:
    photo = Image.fromarray(blocks(256))
    data = encoded(photo, "HEIF", quality=-1, chroma=444, thumbnails=[64])
    assert read_image(data, smallest=32).shape == (256, 256, 3)


def test_a_heic_photo_without_pillow_heif_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as Python marks what cannot be imported
    decode._heif_opener.cache_clear()
    try:
        for brand in (b"heic", b"heix", b"mif1", b"msf1"):
            head = b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(99)
            assert (
                refusal(head, "IMG_1.HEIC")
                == "'IMG_1.HEIC' is a HEIC photo, which only pillow-heif can read: install pillow-heif, or export it as"
                " JPEG."
            )
    finally:
        decode._heif_opener.cache_clear()


def test_a_box_that_claims_to_be_endless_has_the_brands_that_are_there() -> None:
    assert decode._heif_brands(b"\xff\xff\xff\xffftypavif" + b"heic" * 100_000) == {b"avif", b"heic"}
    assert decode._heif_brands(b"\0\0\0\0ftyp") == set()
    assert decode._heif_brands(b"\0\0\0\x14ftypisom\0\0\0\0mp42") == set()  # a film


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP"])
def test_a_lossless_file_keeps_every_pixel(format: str) -> None:
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    assert read_image(encoded(Image.fromarray(CORNERS), format, **options)).tolist() == CORNERS.tolist()


def test_a_grey_image_stays_grey_with_one_channel() -> None:
    grey = np.array([[0, 100], [200, 255]], np.uint8)
    for format in ("PNG", "BMP", "TIFF", "GIF"):
        assert read_image(encoded(Image.fromarray(grey), format)).tolist() == grey[:, :, None].tolist()


def test_a_jpeg_named_png_is_read_as_the_jpeg_it_is() -> None:
    red = Image.new("RGB", (16, 16), (200, 30, 40))
    pixels = read_image(encoded(red, "JPEG", quality=100, subsampling=0), "drawing.png")
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - [200, 30, 40]).max() <= 2


def test_sixteen_bit_grey_is_scaled_and_not_cut_off() -> None:
    values = np.array([[0, 257, 128 * 257], [65535, 256, 40000]], np.uint16)
    data = encoded(Image.fromarray(values), "PNG")
    assert read_image(data)[:, :, 0].tolist() == [[0, 1, 128], [255, 1, 156]]  # 40000 / 257 = 155.6


@pytest.mark.parametrize("byte_order", ["<u2", ">u2"])
def test_sixteen_bit_tiffs_of_both_byte_orders_agree(byte_order: str) -> None:
    mode = "I;16" if byte_order == "<u2" else "I;16B"
    raw = np.array([[0, 65535], [257 * 7, 257 * 250]]).astype(byte_order).tobytes()
    data = encoded(Image.frombytes(mode, (2, 2), raw), "TIFF")
    assert read_image(data)[:, :, 0].tolist() == [[0, 255], [7, 250]]


def test_floating_point_grey_from_0_to_1_uses_the_whole_range() -> None:
    data = encoded(Image.fromarray(np.array([[0.0, 0.5], [1.0, np.nan]], np.float32)), "TIFF")
    assert read_image(data)[:, :, 0].tolist() == [[0, 128], [255, 0]]


def test_thirty_two_bit_grey_is_stretched_over_its_own_range() -> None:
    data = encoded(Image.fromarray(np.array([[-1000, 99_000], [49_000, -1000]], np.int32)), "TIFF")
    assert read_image(data)[:, :, 0].tolist() == [[0, 255], [128, 0]]


def test_a_one_bit_image_is_black_and_white() -> None:
    data = encoded(Image.fromarray(np.array([[True, False], [False, True]])), "PNG")
    assert read_image(data)[:, :, 0].tolist() == [[255, 0], [0, 255]]


def test_a_cmyk_jpeg_is_shown_in_its_colors() -> None:
    # No cyan, all magenta and yellow: red.
    pixels = read_image(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    assert pixels.shape == (16, 16, 3)
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 3


def test_a_lab_tiff_is_shown_in_its_colors() -> None:
    pixels = read_image(encoded(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF"))  # lightness 100 %, no color: white
    assert np.abs(pixels.astype(int) - 255).max() <= 3


def test_transparent_pixels_are_white_and_half_transparent_ones_half_way() -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 128]]], np.uint8)
    assert read_image(encoded(Image.fromarray(rgba), "PNG")).tolist() == [
        [[255, 0, 0], [255, 255, 255], [127, 127, 127]]
    ]


def test_grey_with_alpha_stays_grey_on_white() -> None:
    grey_alpha = np.array([[[0, 255], [0, 0], [0, 128]]], np.uint8)
    assert read_image(encoded(Image.fromarray(grey_alpha), "PNG")).tolist() == [[[0], [255], [127]]]


def test_a_transparent_palette_color_is_white_in_png_and_gif() -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 1, 2])
    for format in ("PNG", "GIF"):
        data = encoded(palette, format, transparency=1)
        assert read_image(data).tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_a_palette_with_an_alpha_table_is_composited_on_white() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 0])
    palette.putdata([0, 1])
    data = encoded(palette, "PNG", transparency=bytes([255, 51]))
    assert read_image(data).tolist() == [[[255, 0, 0], [204, 204, 204]]]


def test_a_transparent_shade_of_grey_is_white_in_8_and_16_bits() -> None:
    assert read_image(encoded(Image.fromarray(np.array([[0, 9]], np.uint8)), "PNG", transparency=0)).tolist() == [
        [[255], [9]]
    ]
    rows = b"\0" + struct.pack(">HH", 0, 257 * 9)
    sixteen = (
        png_header(2, 1, 16)
        + png_chunk(b"tRNS", b"\0\0")
        + png_chunk(b"IDAT", zlib.compress(rows))
        + png_chunk(b"IEND", b"")
    )
    assert read_image(sixteen).tolist() == [[[255], [9]]]


def orientations() -> list[tuple[int, np.ndarray[Any, Any]]]:
    upright = CORNERS
    turned = np.rot90(upright)  # a quarter turn to the left
    return [  # what a camera stores for an upright scene
        (1, upright),
        (2, upright[:, ::-1]),
        (3, np.rot90(upright, 2)),
        (4, upright[::-1]),
        (5, upright.transpose(1, 0, 2)),
        (6, turned),
        (7, np.rot90(upright.transpose(1, 0, 2), 2)),
        (8, np.rot90(upright, -1)),
    ]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize(("orientation", "stored"), orientations())
def test_an_image_rotated_by_its_metadata_stands_upright(
    orientation: int, stored: np.ndarray[Any, Any], format: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), format, exif=exif, **options)
    assert read_image(data).tolist() == CORNERS.tolist()


def test_broken_metadata_does_not_cost_the_image() -> None:
    data = encoded(Image.fromarray(CORNERS), "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert read_image(data).tolist() == CORNERS.tolist()


def test_an_animation_is_its_first_frame() -> None:
    red, blue = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    for format in ("GIF", "PNG"):
        assert read_image(encoded(red, format, save_all=True, append_images=[blue])).tolist() == [[[255, 0, 0]] * 4] * 4


# Refused in one sentence
