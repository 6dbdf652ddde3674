"""Classes in the names of files: `daisy_001.jpg`, `cat.0.jpg`, `Abyssinian (3).png`, and Teachable Machine's
`daisy-!-1.jpg`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_NAME = re.compile(r"^(.*?)(-!-|[ _.-]*)\(?(\d{1,12})\)?$")
_MARK = "-!-"  # Teachable Machine's: nothing else writes it
# What cameras, telephones and programs call every image, whatever it shows.
_NO_CLASS = {
    *("img", "image", "images", "pic", "picture", "photo", "foto", "bild", "im", "frame", "scan", "file", "untitled"),
    *("dsc", "dscn", "dscf", "dcim", "pxl", "mvimg", "p", "gopr", "gp", "dji", "sam", "imag", "fb img", "vid", "video"),
    *("screenshot", "screen shot", "whatsapp image", "capture", "snapshot", "download", "unnamed", "cam", "webcam"),
    *("train", "training", "val", "valid", "validation", "test", "sample"),
}


class NamedClasses(NamedTuple):
    """of: the class of each row. is_sure: whether a tool wrote them there."""

    of: dict[int, str]
    is_sure: bool


def classes_in_names(names: Sequence[str], rows: Iterable[int]) -> NamedClasses | None:
    """The classes that the names of these rows begin with; None where they do not seem to. A word and a number each:
    at least two words, none of them a camera's, and at least two images of each.
    """
    of: dict[int, str] = {}
    marked = True
    for row in rows:
        stem = names[row].rpartition("/")[2].rpartition(".")[0]
        match = _NAME.match(stem)
        if match is None:
            return None
        word = " ".join(match[1].split())
        plain = re.sub(r"[ _.-]+", " ", word).strip().casefold()
        marked = marked and match[2] == _MARK
        if not any(c.isalpha() for c in plain) or (plain in _NO_CLASS and not marked):
            return None
        of[row] = word
    counts = Counter(of.values())
    if len(counts) < 2 or (min(counts.values()) < 2 and not marked):
        return None
    return NamedClasses(of, marked)
