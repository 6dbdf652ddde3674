"""A person's image file -> pixels a model can be asked about. The file is hostile until shown otherwise: every
refusal is an ImageError.

Pillow and numpy only. Dimension letters: H W pixels of the file, C channels (1 grey, 3 color).
"""

from __future__ import annotations

import io
import math
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, features

from engine.errors import ImageError

Pixels = npt.NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF")
HEIC = "a HEIC photo, and pillow-heif is not installed"  # the reason of an ImageError
LARGEST_FILE = 100_000_000  # bytes
MOST_PIXELS = 200_000_000
# Pixels from which an image is made smaller before anything else: with its copies it would need a dozen bytes each.
HUGE = 50_000_000

_LONGEST_NAME = 40  # characters of a file's name in a sentence
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_TURNS = {  # EXIF orientation -> what brings the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# catch_warnings changes the filters of the whole process: of threads inside it at once, only the first may enter and
# the last leave it.
_warnings_lock = threading.Lock()
_silent = 0
_filters = warnings.catch_warnings()
# Threads that decode side by side take turns at images of many pixels: each needs a dozen bytes per pixel while it is
# made upright.
LARGE = 4_000_000
_large_lock = threading.Lock()
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow's own limit stands below; it refuses twice its number by itself


def optional_formats() -> tuple[str, ...]:
    """What is read here beyond FORMATS: AVIF where Pillow was built with it, HEIF where pillow-heif is installed."""
    return ("AVIF",) * bool(features.check("avif")) + ("HEIF",) * (find_spec("pillow_heif") is not None)


def readable_formats() -> str:
    """All that are read here, as a sentence names them."""
    names = [*FORMATS, *("HEIC" if name == "HEIF" else name for name in optional_formats())]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def read_image(data: bytes, name: str = "image", smallest: int | None = None) -> Pixels:
    """The image in `data` as a person would see it: uint8 [H, W, 1] if it is stored as grey (or in a palette of greys
    only), else [H, W, 3] (RGB).

    Read are FORMATS and `optional_formats`; which one it is, the content decides, never `name`, which only appears
    (shortened) in error sentences. Applied: EXIF orientation, alpha and transparent colors on white, palettes, 16-bit
    and floating-point grey scaled to 8 bits, CMYK, YCbCr and LAB to RGB, the first frame of an animation. Not applied:
    embedded color profiles, because the images of data sets are read without them too. smallest: a JPEG may come at a
    half, a quarter or an eighth of its size if both sides keep this many pixels: many times faster where it is made
    small anyway. An image of more than HUGE pixels comes at a whole fraction of its size in any case: less than 2 GB of
    memory (3 GB for AVIF and HEIC) are needed for one of MOST_PIXELS, and they are read one after another. Raises
    ImageError, and nothing else, if the bytes are not one image of an allowed format within LARGEST_FILE and
    MOST_PIXELS; the pixel limit is checked on the header, before anything is decoded.
    """
    shown = short_name(name)
    if not data:
        raise ImageError(f"{shown} is empty (0 bytes): choose a {readable_formats()} image.", "empty")
    if len(data) > LARGEST_FILE:
        size = f"{math.ceil(len(data) / 1e5) / 10:.1f} MB"
        raise ImageError(
            f"{shown} has {size}, but images may have at most {LARGEST_FILE / 1e6:.0f} MB: save it smaller and try"
            " again.",
            "too large",
        )
    with without_warnings():
        return _decode(data, shown, smallest)


def image_size(data: bytes, name: str = "image") -> tuple[int, int]:
    """Width and height in pixels, as the header says them. Raises ImageError if the bytes do not begin an image that is
    read here.
    """
    with without_warnings():
        return _opened(data, short_name(name)).size


def begins_like_image(head: bytes) -> bool:
    """Whether a file that begins so can be of one of the formats that are read. head: 64 bytes."""
    return (
        head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*"))
        or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")
        or bool(_heif_brands(head))
    )


@contextmanager
def without_warnings() -> Iterator[None]:
    """Pillow warns about odd metadata; what matters here becomes an ImageError. Around many images, so that not each
    pays for it.
    """
    global _silent, _filters
    with _warnings_lock:
        if _silent == 0:
            _filters = warnings.catch_warnings()
            _filters.__enter__()
            warnings.simplefilter("ignore")
        _silent += 1
    try:
        yield
    finally:
        with _warnings_lock:
            _silent -= 1
            if _silent == 0:
                _filters.__exit__(None, None, None)


def short_name(name: str) -> str:
    """A file name fit for a sentence, in quotes: no folders, no line breaks or other invisible characters, the middle
    left out beyond _LONGEST_NAME characters.
    """
    last = re.split(r"[/\\]", name.strip().rstrip("/\\"))[-1]
    clean = " ".join("".join(c if c.isprintable() else " " for c in last).split()) or "image"
    if len(clean) > _LONGEST_NAME:
        clean = clean[: _LONGEST_NAME - 11] + "…" + clean[-10:]
    return f"'{clean}'"


def _opened(data: bytes, shown: str) -> Image.Image:
    """With nothing but its header read."""
    formats = _formats(data, shown)
    try:
        image = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError as error:  # Pillow's own, higher limit; its sentence has the number of pixels
        match = re.search(r"(\d+) pixels", str(error))
        raise _too_many_pixels(shown, f"{int(match[1]) / 1e6:,.0f}" if match else "far more than 200") from None
    except Exception:  # noqa: BLE001  a decoder may raise anything on a prepared file, and no image is worth a traceback
        raise _not_an_image(data, shown) from None
    if image.width * image.height > MOST_PIXELS:
        raise _too_many_pixels(shown, f"{image.width * image.height / 1e6:,.0f}")
    return image


def _decode(data: bytes, shown: str, smallest: int | None) -> Pixels:
    image = _opened(data, shown)
    try:
        with _large_lock if image.width * image.height > LARGE else nullcontext():
            if smallest is not None:
                image.draft(None, (smallest, smallest))  # only JPEG knows it; for all others it does nothing
            image.load()
            if image.width * image.height > MOST_PIXELS:  # a HEIF header may claim fewer than there are
                raise _too_many_pixels(shown, f"{image.width * image.height / 1e6:,.0f}")
            return _upright_pixels(image, smallest)
    except ImageError:
        raise
    except Exception:  # noqa: BLE001  as above; MemoryError included
        kind = "JPEG" if image.format == "MPO" else image.format
        raise ImageError(
            f"{shown} is a damaged or cut-off {kind} file ({len(data):,} bytes) whose pixels cannot be decoded: save or"
            " download it again.",
            "damaged",
        ) from None


def _formats(data: bytes, shown: str) -> tuple[str, ...]:
    """FORMATS, or the one of the family of HEIF that the bytes say they are. Raises ImageError for HEIC photos where
    pillow-heif is missing.
    """
    brands = _heif_brands(data)
    if not brands:
        return FORMATS
    if brands & _AVIF_BRANDS:
        return ("AVIF",) if features.check("avif") else FORMATS
    if not _heif_opener():
        raise ImageError(
            f"{shown} is a HEIC photo, which only pillow-heif can read: install pillow-heif, or export it as JPEG.",
            HEIC,
        )
    return ("HEIF",)


def _heif_brands(data: bytes) -> set[bytes]:
    """The brands of a file of the HEIF family, by its first box; none of any other file."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    return brands if brands & (_AVIF_BRANDS | _HEIC_BRANDS) else set()


@cache
def _heif_opener() -> bool:
    """Whether Pillow can open HEIF now. Imported when the first such file comes: most people have none."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    # An embedded thumbnail may show anything; depth and other images beside the photo are not looked at.
    register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return True


def _too_many_pixels(shown: str, millions: str) -> ImageError:
    return ImageError(
        f"{shown} claims {millions} million pixels, but images may have at most {MOST_PIXELS / 1e6:.0f} million: make"
        " it smaller and try again.",
        "too many pixels",
    )


def _not_an_image(data: bytes, shown: str) -> ImageError:
    """What the bytes look like instead, because "not an image" alone leaves a person with an SVG or a phone's HEIC
    puzzled.
    """
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"%pdf"):
        kind = "a PDF document"
    elif head.startswith(b"pk\x03\x04"):
        kind = "a zip archive"
    elif b"<svg" in head:
        kind = "an SVG drawing"
    elif _heif_brands(data):
        kind = "a HEIC or AVIF photo"
    elif data.startswith((b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")) or data[8:12] == b"WEBP":
        return ImageError(
            f"{shown} begins like an image but its header is damaged or cut off ({len(data):,} bytes): save or"
            " download it again.",
            "damaged",
        )
    elif all(byte >= 32 or byte in b"\t\r\n\f" for byte in head):
        kind = "text"
    else:
        kind = "something else"
    return ImageError(
        f"{shown} is not an image this app reads (it looks like {kind}): save it as {readable_formats()} and try again."
    )


def _upright_pixels(image: Image.Image, smallest: int | None) -> Pixels:
    turn = _TURNS.get(_orientation(image))
    has_palette = image.mode in ("P", "PA")
    if image.width * image.height > HUGE:
        image = _reduced(image, smallest)
    if image.mode != "LAB" and image.mode.startswith(("1", "L", "I", "F")):
        image = Image.fromarray(_grey(image))
    elif image.mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
        image = ImageCms.applyTransform(image, transform) or image
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")
    else:
        image = image.convert("RGB")
    if turn is not None:
        image = image.transpose(turn)
    pixels = np.array(image)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if has_palette and (pixels == pixels[..., :1]).all():  # a GIF cannot store grey any other way
        return pixels[..., :1].copy()
    return pixels


def _reduced(image: Image.Image, smallest: int | None) -> Image.Image:
    """At most HUGE pixels: each the mean of a square of the image's."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode.startswith("I;"):
        image = image.convert("I")
    factor = math.ceil(math.sqrt(image.width * image.height / HUGE))
    if smallest is not None:
        factor = max(factor, min(image.size) // smallest)
    return image.reduce(factor)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # noqa: BLE001  an image with broken metadata is still an image
        return 1


def _grey(image: Image.Image) -> Pixels:
    """Modes 1, L, LA, I;16 (and its byte orders), I and F -> uint8 [H, W], transparency on white."""
    if image.mode in ("1", "L", "LA", "La"):
        if not image.has_transparency_data:
            return np.array(image.convert("L"))
        grey_alpha = np.asarray(image.convert("RGBA")).astype(np.uint32)
        grey, alpha = grey_alpha[..., 0], grey_alpha[..., 3]
        return ((grey * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    values = np.asarray(image).astype(np.float64)
    values = np.nan_to_num(
        values, posinf=values[np.isfinite(values)].max(initial=0.0), neginf=values[np.isfinite(values)].min(initial=0.0)
    )
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I") and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
    elif image.mode == "F" and low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    # 32-bit values have no agreed white: use their own range.
    scaled = np.rint((values - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    return scaled
