"""MNIST: 70,000 handwritten digits of 28x28 grey pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from engine.data.image_traits import ImageTraits
from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
from engine.registry import datasets

UNPACKED = {  # md5 sums of the unpacked files; torchvision lists those of the packed ones only
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@datasets.register
class Mnist(TorchvisionSet):
    """LeCun, Cortes and Burges 1998: 60,000 training and 10,000 test images, as torchvision distributes them."""

    class Params(TorchvisionParams):
        name: Literal["mnist"] = "mnist"

    title = "MNIST digits"
    summary = "70,000 real handwritten digits, 28x28 grey pixels, ten classes; 11 MB to download once."
    known_as = "MNIST"
    class_names = tuple("0123456789")
    variants = (frozenset(),)
    folder = "MNIST/raw"
    shape = (70_000, 1, 28, 28)
    training = 60_000
    # Strokes are white on black: solarizing turns the whole background white, and far shears and shifts cut strokes
    # off.
    traits = ImageTraits(
        smallest_crop=0.5,
        tilt=20.0,
        slant=0.2,
        shift=0.15,
        largest_hole=0.25,
        dark_ground=True,
        fills_frame=20 / 28,
        stroke=0.12,
    )

    def downloads(self) -> list[Download]:
        from torchvision.datasets import MNIST

        return idx_downloads(MNIST)

    def unpacked(self) -> dict[str, str]:
        return {f"{self.folder}/{name}": md5 for name, md5 in UNPACKED.items()}

    def parts(self, root: Path) -> Iterable[Part]:
        from torchvision.datasets import MNIST

        return idx_parts(MNIST, root)


def idx_downloads(cls: Any) -> list[Download]:
    """What torchvision's class for a set in MNIST's format downloads."""
    return [Download(name, md5, [mirror + name for mirror in cls.mirrors]) for name, md5 in cls.resources]


def idx_parts(cls: Any, root: Path) -> Iterable[Part]:
    """The two parts of a set in MNIST's format; `download` finds the packed files in place and only unpacks them."""
    for train in (True, False):
        part = cls(str(root), train=train, download=True)
        yield Part(part.data.numpy()[:, None], part.targets.numpy())
