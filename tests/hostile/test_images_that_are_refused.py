"""Files people upload by mistake or on purpose: each is refused in one exact sentence, and nothing else comes out."""

from __future__ import annotations

import io
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
import pytest
from PIL import Image

from engine.errors import ImageError
from engine.images.decode import LARGEST_FILE, read_image, readable_formats, short_name
from tests.hostile.image_files import (
    MODERN,
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
