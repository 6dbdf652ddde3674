"""CIFAR-100: 60,000 small color photographs of a hundred classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from engine.data.sets.cifar10 import pickled_downloads, pickled_files, pickled_parts
from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
from engine.registry import datasets

_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""


@datasets.register
class Cifar100(TorchvisionSet):
    """Krizhevsky 2009: 50,000 training and 10,000 test images with the fine labels, as torchvision distributes them."""

    class Params(TorchvisionParams):
        name: Literal["cifar100"] = "cifar100"

    title = "CIFAR-100"
    summary = "60,000 small photographs, 32x32 color pixels, a hundred classes; 169 MB to download once."
    known_as = "CIFAR-100"
    class_names = tuple(_CLASSES.split())
    variants = (frozenset({"flip"}),)
    folder = ""
    shape = (60_000, 3, 32, 32)
    training = 50_000

    def downloads(self) -> list[Download]:
        from torchvision.datasets import CIFAR100

        return pickled_downloads(CIFAR100)

    def unpacked(self) -> dict[str, str]:
        from torchvision.datasets import CIFAR100

        return pickled_files(CIFAR100)

    def parts(self, root: Path) -> Iterable[Part]:
        from torchvision.datasets import CIFAR100

        return pickled_parts(CIFAR100, root)
