"""What is worth a look among imported images: copies, and images that show hardly anything. Names and thresholds are
those of cleanvision (github.com/cleanlab/cleanvision) and of its defaults in cleanlab's Datalab, on the decoded pixels;
but for is_odd_size, which is an image that had to be enlarged.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.data.image_set import ImageSet
from engine.data.importing.image_cache import BLOCK, KeptFiles

DARK, LIGHT = 0.32, 0.05  # the 99th percentile of brightness below it; one minus the 5th percentile below it
LOW_INFORMATION = 0.15  # a tenth of the entropy of the grey values in bits
BLURRY = 0.29  # one minus exp(-1/100 of the standard deviation of edges), for an image with many grey values
ODD_ASPECT_RATIO = 0.35  # the shorter side by the longer
_HASHED = 256  # images whose perceptual hash is computed at once
_EDGES_SEEN_AT = 64  # pixels
_FEW_TONES = 0.18
NAMED = 50  # files, or groups of copies, that are told by name


@dataclass(frozen=True)
class Issue:
    """One kind of trouble. name: cleanvision's. count: images. files: names, those of copies together; the first NAMED
    of them. exclude: the names of all images without which it is gone: of copies all but one, of copies with several
    classes all, because which one is right nobody knows here.
    """

    name: str
    count: int
    sentence: str
    files: list[list[str]]
    exclude: list[str]

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def check_images(images: ImageSet, files: KeptFiles) -> list[Issue]:
    """All that was found, the most serious first; nothing of what was not."""
    found = [*_duplicates(images, files), *_sizes(images.size, files)]
    scores = _scores(images.images)
    for name, score, threshold, what in (
        ("is_dark", scores.dark, DARK, "dark all over"),
        ("is_light", scores.light, LIGHT, "bright all over"),
        ("is_low_information", scores.low_information, LOW_INFORMATION, "nearly of one tone"),
        ("is_blurry", scores.blurry, BLURRY, "blurred"),
    ):
        rows = np.flatnonzero(score < threshold)
        if len(rows):
            worst_first = [files.names[row] for row in rows[np.argsort(score[rows], kind="stable")]]
            found.append(issue_of(name, f"{_images(len(rows))} {what}.", [[file] for file in worst_first], worst_first))
    return found


def _duplicates(images: ImageSet, files: KeptFiles) -> list[Issue]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(files.digests):
        groups[digest].append(row)
    parts = images.is_test * 2 + (0 if images.is_validation is None else images.is_validation)
    copies = [rows for rows in groups.values() if len(rows) > 1]
    across_parts = [rows for rows in copies if len(set(parts[rows].tolist())) > 1]
    in_classes = [rows for rows in copies if len({*images.labels[rows].tolist()} - {-1}) > 1]
    near = _near_duplicates(images, groups)
    return [
        issue_of(name, sentence, named := [[files.names[row] for row in rows] for rows in some], spare(named))
        for name, some, sentence, spare in (
            (
                "exact_duplicates_across_parts",
                across_parts,
                _of_copies(across_parts, "in two parts of the split"),
                _all_but_first,
            ),
            (
                "exact_duplicates_with_two_classes",
                in_classes,
                _of_copies(in_classes, "in two classes"),
                _all_of_them,
            ),
            ("exact_duplicates", copies, _of_copies(copies, "there more than once"), _all_but_first),
            ("near_duplicates", near, _of_copies(near, "almost the same as others"), _all_but_first),
        )
        if some
    ]


def _near_duplicates(images: ImageSet, exact: dict[str, list[int]]) -> list[list[int]]:
    """Groups of images with one perceptual hash, as cleanvision takes them: the signs of the 64 lowest frequencies of
    the grey image, against their median (pHash); of exact copies one stands for all. An image of one tone has none.
    """
    from scipy.fft import dctn

    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    first = {rows[0] for rows in exact.values()}
    for start in range(0, len(images.images), _HASHED):
        block = np.asarray(images.images[start : start + _HASHED], np.float32).mean(1)
        low = dctn(_shrunk(block), axes=(1, 2))[:, :8, :8].reshape(len(block), -1)
        signs = np.packbits(low > np.median(low, axis=1, keepdims=True), axis=1)
        is_flat = np.abs(low[:, 1:]).max(1) < 1
        for row in np.flatnonzero(~is_flat):
            if start + int(row) in first:
                groups[signs[row].tobytes()].append(start + int(row))
    return [rows for rows in groups.values() if len(rows) > 1]


def _shrunk(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, H, W] to 32 x 32 by the mean of each square; smaller images as they are."""
    side = grey.shape[1] // 32
    if side < 2:
        return grey
    cut = grey[:, : 32 * side, : 32 * side]
    shrunk: NDArray[np.float32] = cut.reshape(len(grey), 32, side, 32, side).mean((2, 4))
    return shrunk


def _all_but_first(groups: list[list[str]]) -> list[str]:
    return [name for group in groups for name in group[1:]]


def _all_of_them(groups: list[list[str]]) -> list[str]:
    return [name for group in groups for name in group]


def issue_of(name: str, sentence: str, groups: list[list[str]], exclude: list[str]) -> Issue:
    """An issue of all these images, of which the first NAMED groups are told by name."""
    return Issue(name, sum(map(len, groups)), sentence, groups[:NAMED], exclude)


def _sizes(size: int, files: KeptFiles) -> list[Issue]:
    """size: the side that images were brought to, in px."""
    sides = np.array(files.sizes, dtype=np.int64).reshape(-1, 2)
    shorter, longer = sides.min(1), sides.max(1)
    return [
        issue_of(name, f"{_images(len(rows))} {what}.", [[file] for file in named], named)
        for name, is_odd, what in (
            ("is_odd_size", longer < size, f"smaller than the {size} px that images are brought to"),
            (
                "is_odd_aspect_ratio",
                shorter < ODD_ASPECT_RATIO * longer,
                "much longer one way than the other",
            ),
        )
        if len(rows := np.flatnonzero(is_odd)) and (named := [files.names[row] for row in rows])
    ]


class _Scores:
    """float32 [N] each, between 0 and 1, low where something is wrong."""

    def __init__(self, n: int) -> None:
        self.dark, self.light, self.low_information, self.blurry = (np.ones(n, np.float32) for _ in range(4))


def _scores(images: NDArray[np.uint8]) -> _Scores:
    """images: uint8 [N, C, H, W]. Block by block: a mapped set never fills the memory."""
    scores = _Scores(len(images))
    rows = max(1, BLOCK // (16 * max(1, int(np.prod(images.shape[1:])))))
    for start in range(0, len(images), rows):
        block = np.asarray(images[start : start + rows], np.float32) / 255
        color = block if block.shape[1] == 3 else np.repeat(block, 3, axis=1)
        brightness = np.sqrt(0.241 * color[:, 0] ** 2 + 0.691 * color[:, 1] ** 2 + 0.068 * color[:, 2] ** 2)
        low, high = np.percentile(brightness.reshape(len(block), -1), (5, 99), axis=1)
        scores.dark[start : start + rows], scores.light[start : start + rows] = high, 1 - low
        grey = np.rint(255 * (0.299 * color[:, 0] + 0.587 * color[:, 1] + 0.114 * color[:, 2])).astype(np.int64)
        scores.low_information[start : start + rows] = _entropy(grey.reshape(len(block), -1)) / 10
        scores.blurry[start : start + rows] = [_sharpness(image) for image in grey.astype(np.uint8)]
    return scores


def _sharpness(grey: NDArray[np.uint8]) -> float:
    """Of one image [H, W], at most 64 pixels large: how much its edges vary. An image of few tones has hard edges only
    where tones meet, and is not called blurred for that.
    """
    image = Image.fromarray(grey)
    image.thumbnail((_EDGES_SEEN_AT, _EDGES_SEEN_AT), Image.Resampling.BICUBIC)
    edges = float(np.asarray(image.filter(ImageFilter.FIND_EDGES), np.float64).std())
    tones = 1 - np.exp(-float(np.std(image.histogram())) / 100)
    return float(min(1 - np.exp(-edges / 100) + (tones if tones > _FEW_TONES else 0), 1))


def _entropy(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of each row's values 0..255, in bits: float [n]."""
    n, pixels = values.shape
    counts = np.bincount((values + 256 * np.arange(n)[:, None]).reshape(-1), minlength=256 * n).reshape(n, 256)
    shares = counts / pixels
    entropy: NDArray[np.float64] = -np.sum(shares * np.log2(np.where(shares > 0, shares, 1)), axis=1)
    return entropy


def _images(count: int) -> str:
    return "1 image is" if count == 1 else f"{count:,} images are"


def _of_copies(groups: list[list[int]], where: str) -> str:
    sets = "1 set" if len(groups) == 1 else f"{len(groups):,} sets"
    return f"{_images(sum(map(len, groups)))} {where}, as {sets} of copies."
