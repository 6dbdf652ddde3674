"""SVHN: 99,289 digits of house numbers, cut from photographs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from engine.data.image_traits import ImageTraits
from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
from engine.registry import datasets

_PARTS = ("train", "test")


@datasets.register
class Svhn(TorchvisionSet):
    """Street View House Numbers (Netzer et al. 2011), cropped digits: 73,257 training and 26,032 test images, as
    torchvision distributes them, without the 531,131 extra ones. The neighbors of a digit are on its image, too.
    """

    class Params(TorchvisionParams):
        name: Literal["svhn"] = "svhn"

    title = "SVHN house numbers"
    summary = "99,289 digits cut from photographs of houses, 32x32 color pixels, ten classes; 246 MB to download once."
    known_as = "SVHN"
    class_names = tuple("0123456789")
    variants = (frozenset(),)  # a mirrored digit is none
    folder = ""
    shape = (99_289, 3, 32, 32)
    training = 73_257
    # Digits of any color on any ground; a small window would show the neighbors alone.
    traits = ImageTraits(smallest_crop=0.5, tilt=20.0, slant=0.2, shift=0.125)

    def downloads(self) -> list[Download]:
        from torchvision.datasets import SVHN

        files = [SVHN.split_list[part] for part in _PARTS]
        return [Download(name, md5, [url]) for url, name, md5 in files]

    def parts(self, root: Path) -> Iterable[Part]:
        from torchvision.datasets import SVHN

        for name in _PARTS:
            part = SVHN(str(root), split=name)
            yield Part(part.data, part.labels)
