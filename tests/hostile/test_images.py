"""Files people upload by mistake or on purpose: each is read exactly as seen, or refused in one exact sentence. Nothing
else may come out.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import time
import warnings
import zipfile
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features

from engine.errors import ImageError
from engine.images import decode
from engine.images.decode import LARGEST_FILE, read_image, readable_formats, short_name

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


@pytest.fixture(autouse=True)
def writes_heif() -> None:
    if find_spec("pillow_heif") is not None:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def blocks(side: int = 64) -> npt.NDArray[np.uint8]:
    """[side, side, 3]: four quarters of one color each, which survive any compression."""
    image = np.zeros((side, side, 3), np.uint8)
    half = side // 2
    image[:half, :half], image[:half, half:], image[half:, :half] = (200, 30, 40), (30, 180, 60), (20, 40, 200)
    return image


# Read exactly as seen


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


def test_an_empty_file_is_refused() -> None:
    assert refusal(b"") == f"'cat.png' is empty (0 bytes): choose a {readable_formats()} image."


@pytest.mark.parametrize(
    ("optional", "named"),
    [
        ((), "PNG, JPEG, GIF, BMP, WEBP or TIFF"),
        (("AVIF",), "PNG, JPEG, GIF, BMP, WEBP, TIFF or AVIF"),
        (("AVIF", "HEIF"), "PNG, JPEG, GIF, BMP, WEBP, TIFF, AVIF or HEIC"),
    ],
)
def test_a_refusal_names_the_formats_that_are_read_here(
    monkeypatch: pytest.MonkeyPatch, optional: tuple[str, ...], named: str
) -> None:
    monkeypatch.setattr("engine.images.decode.optional_formats", lambda: optional)
    assert refusal(b"") == f"'cat.png' is empty (0 bytes): choose a {named} image."


def test_a_file_of_too_many_bytes_is_refused_unread() -> None:
    assert (
        refusal(b"\x89PNG" * 26_325_000)
        == "'cat.png' has 105.3 MB, but images may have at most 100 MB: save it smaller and try again."
    )
    assert LARGEST_FILE == 100_000_000


def test_one_byte_too_many_is_not_rounded_down_to_what_is_allowed() -> None:
    assert (
        refusal(bytes(LARGEST_FILE + 1))
        == "'cat.png' has 100.1 MB, but images may have at most 100 MB: save it smaller and try again."
    )


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("cat.png", "meow")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"These are my notes.\nThey are not an image.\n", "text"),
        ("Größe in Metern".encode(), "text"),
        (
            b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
            "an SVG drawing",
        ),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a PDF document"),
        (archive(), "a zip archive"),
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC or AVIF photo", marks=needs_heif),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "a HEIC or AVIF photo"),
        (b"\x7fELF\x02\x01\x01\0", "something else"),
    ],
)
def test_a_file_that_is_no_image_says_what_it_looks_like(data: bytes, kind: str) -> None:
    assert (
        refusal(data) == f"'cat.png' is not an image this app reads (it looks like {kind}): save it as"
        f" {readable_formats()} and try again."
    )


def test_an_image_of_a_format_that_is_not_on_the_list_is_refused_under_any_name() -> None:
    sentence = (
        "'cat.png' is not an image this app reads (it looks like something else): save it as"
        f" {readable_formats()} and try again."
    )
    assert refusal(encoded(Image.new("RGB", (8, 8)), "ICO")) == sentence
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(unsafe) run\n"
    assert "it looks like text" in refusal(eps)


def test_a_header_claiming_ten_billion_pixels_is_refused_before_decoding() -> None:
    data = png_header(100_000, 100_000) + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b"")
    assert (
        refusal(data, "huge.png")
        == "'huge.png' claims 10,000 million pixels, but images may have at most 200 million: make it smaller and try"
        " again."
    )


@pytest.mark.parametrize(
    "side", [15_000, 20_001, 25_000]
)  # over the limit at which Pillow itself begins to warn, and over that at which it refuses
def test_a_bomb_of_highly_compressible_pixels_is_refused_without_a_warning(side: int) -> None:
    squeeze = zlib.compressobj(9)
    packed = b"".join(squeeze.compress(b"\0" * (side // 8 + 1)) for _ in range(side)) + squeeze.flush()
    data = png_header(side, side, depth=1) + png_chunk(b"IDAT", packed) + png_chunk(b"IEND", b"")
    assert len(data) < 100_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sentence = refusal(data, "bomb.png")
    assert (
        sentence
        == f"'bomb.png' claims {side * side / 1e6:,.0f} million pixels, but images may have at most 200 million: make"
        " it smaller and try again."
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA", "CMYK"])
def test_an_image_of_many_pixels_comes_at_a_fraction_of_its_size(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Here from 100 pixels on. Each pixel is the mean of a square, turned upright."""
    monkeypatch.setattr("engine.images.decode.HUGE", 100)
    half = Image.new("RGB" if mode == "CMYK" else mode, (24, 12), 0)
    white: Any = {"I;16": 65535, "RGB": (255,) * 3, "CMYK": (255,) * 3, "RGBA": (255,) * 4, "LA": (255, 255)}
    if mode == "P":
        half.putpalette([value for value in range(256) for _ in range(3)])
    half.paste(white.get(mode, 255), (0, 0, 12, 12))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    data = encoded(half.convert("CMYK") if mode == "CMYK" else half, "TIFF" if mode == "CMYK" else "PNG", exif=exif)
    for smallest, factor in ((None, 2), (3, 4), (12, 2)):
        pixels = read_image(data, "x", smallest)
        assert pixels.shape[:2] == (12 // factor, 24 // factor)
        assert pixels[0, -1, 0] == 255  # the left half was white
        assert pixels[0, 0, 0] == (255 if mode in ("LA", "RGBA") else 0)  # transparent is white


def test_an_image_of_just_as_many_pixels_as_were_always_read_is_not_made_smaller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.images.decode.HUGE", 100)
    assert read_image(encoded(Image.new("L", (10, 10)), "PNG")).shape == (10, 10, 1)
    assert read_image(encoded(Image.new("L", (10, 11)), "PNG")).shape == (6, 5, 1)


@pytest.mark.slow
def test_the_largest_image_is_read_in_less_than_two_gigabytes(tmp_path: Path) -> None:
    Image.new("RGBA", (14_142, 14_142), (1, 2, 3, 255)).save(tmp_path / "x.png")
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak memory of one process alone is read from /proc")
    # Not from getrusage: after fork and exec that starts with the peak of the parent.
    script = (
        "import pathlib, re, sys; from engine.images.decode import read_image\n"
        "data = pathlib.Path(sys.argv[1]).read_bytes()\n"
        "print(read_image(data, smallest=64)[0, 0].tolist(), end=' ')\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "x.png"], capture_output=True, text=True, check=True
    )
    color, _, kilobytes = done.stdout.rpartition(" ")
    assert color == "[1, 2, 3]"
    assert int(kilobytes) < 2_000_000


def test_a_bomb_in_a_gif_frame_larger_than_its_screen_is_refused() -> None:
    screen = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 60_000, 60_000, 0) + b"\x02\x02\x44\x01\x00;"
    assert (
        refusal(screen + frame)
        == "'cat.png' claims 3,600 million pixels, but images may have at most 200 million: make it smaller and try"
        " again."
    )


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", *MODERN])
def test_a_file_cut_off_anywhere_is_either_refused_in_a_sentence_or_a_whole_image(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    data = encoded(Image.fromarray(noise), format)
    sentences = []
    for length in range(1, len(data), 37):
        try:
            assert read_image(data[:length]).shape == (40, 40, 3)
        except ImageError as error:
            sentences.append(str(error))
    assert len(sentences) > 5
    assert all(sentence.startswith("'image' ") and "\n" not in sentence for sentence in sentences)


def test_a_file_cut_off_in_its_pixels_says_so() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG")[:1500]
    assert (
        refusal(data)
        == "'cat.png' is a damaged or cut-off JPEG file (1,500 bytes) whose pixels cannot be decoded: save or download"
        " it again."
    )


def test_a_file_cut_off_in_its_header_says_so() -> None:
    assert (
        refusal(png_header(4, 4)[:20])
        == "'cat.png' begins like an image but its header is damaged or cut off (20 bytes): save or download it again."
    )


@pytest.mark.parametrize("format", MODERN)
def test_a_modern_photo_of_too_many_pixels_is_refused_before_decoding(format: str) -> None:
    data = encoded(Image.new("RGB", (64, 64)), format)
    at = data.index(b"ispe") + 8  # where the header says width and height
    claims = data[:at] + struct.pack(">II", 15_000, 15_000) + data[at + 8 :]
    start = time.perf_counter()
    sentence = refusal(claims)
    assert time.perf_counter() - start < 1
    assert (
        sentence
        == "'cat.png' claims 225 million pixels, but images may have at most 200 million: make it smaller and try"
        " again."
    )


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", *MODERN])
def test_flipped_bytes_never_let_another_error_out(format: str) -> None:
    random = np.random.default_rng(1)
    data = np.frombuffer(encoded(Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8)), format), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(200):
            broken = data.copy()
            where = random.integers(0, min(len(data), 400), 6)
            broken[where] = random.integers(0, 256, 6)
            try:
                pixels = read_image(broken.tobytes())
            except ImageError:
                continue
            assert pixels.dtype == np.uint8
            assert pixels.ndim == 3
            assert pixels.shape[2] in (1, 3)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "'passwd'"),
        ("C:\\Users\\me\\cat.png", "'cat.png'"),
        ("<img src=x onerror=alert(1)>.png", "'<img src=x onerror=alert(1)>.png'"),
        ("two\nlines\r\t.png", "'two lines .png'"),
        ("right\u202eto left.png", "'right to left.png'"),
        ("a" * 300 + ".png", "'" + "a" * 29 + "…" + "a" * 6 + ".png'"),
        ("", "'image'"),
        ("///", "'image'"),
    ],
)
def test_a_strange_name_appears_short_and_on_one_line(name: str, shown: str) -> None:
    assert short_name(name) == shown
    assert refusal(b"", name) == f"{shown} is empty (0 bytes): choose a {readable_formats()} image."
