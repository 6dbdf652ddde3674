"""Fashion-MNIST: 70,000 images of clothing in MNIST's format, and harder than it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from engine.data.image_traits import ImageTraits
from engine.data.sets.mnist import idx_downloads, idx_parts
from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
from engine.registry import datasets

UNPACKED = {  # md5 sums of the unpacked files; torchvision lists those of the packed ones only
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}


@datasets.register
class FashionMnist(TorchvisionSet):
    """Xiao, Rasul and Vollgraf 2017 (arXiv:1708.07747): 60,000 training and 10,000 test images, as torchvision
    distributes them.
    """

    class Params(TorchvisionParams):
        name: Literal["fashion_mnist"] = "fashion_mnist"

    title = "Fashion-MNIST"
    summary = "70,000 images of clothing, 28x28 grey pixels, ten classes; 31 MB to download once."
    known_as = "Fashion-MNIST"
    class_names = (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    )
    variants = (frozenset({"flip"}),)
    folder = "FashionMNIST/raw"
    shape = (70_000, 1, 28, 28)
    training = 60_000
    # The background is black as in MNIST, and what tells the classes apart are outlines and sleeves: half of the
    # paper's square is enough.
    traits = ImageTraits(largest_hole=0.25, dark_ground=True, fills_frame=1.0)

    def downloads(self) -> list[Download]:
        from torchvision.datasets import FashionMNIST

        return idx_downloads(FashionMNIST)

    def unpacked(self) -> dict[str, str]:
        return {f"{self.folder}/{name}": md5 for name, md5 in UNPACKED.items()}

    def parts(self, root: Path) -> Iterable[Part]:
        from torchvision.datasets import FashionMNIST

        return idx_parts(FashionMNIST, root)
