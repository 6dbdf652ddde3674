"""FER-2013: 35,887 grey photographs of faces by their expression, from the file that a person downloads."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from engine.data.image_set import Cancelled, ImageSet, Progress
from engine.data.importing.image_cache import Writer
from engine.data.sets.folder import Folder
from engine.data.sets.torchvision_source import Download, Part, TorchvisionParams, TorchvisionSet
from engine.errors import DataError
from engine.registry import datasets

_PAGE = "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge"
_SIDE = 48


@datasets.register
class Fer2013(TorchvisionSet):
    """Goodfellow et al. 2013 (arXiv:1307.0414): 28,709 training and 7,178 test images, the public and the private ones,
    as torchvision reads them.

    `fer2013.csv` lies in the folder `fer2013` of the root, or its images do, in `train` and `test` with a folder for
    each expression. It can be had with an account only, so nothing is downloaded here.
    """

    class Params(TorchvisionParams):
        name: Literal["fer2013"] = "fer2013"

    title = "FER-2013 facial expressions"
    summary = "35,887 photographs of faces, 48x48 grey pixels, seven expressions; a file that you download yourself."
    known_as = "FER-2013"
    class_names = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    variants = (frozenset({"flip"}),)
    folder = "fer2013"
    shape = (35_887, 1, _SIDE, _SIDE)
    training = 28_709

    def downloads(self) -> list[Download]:
        from torchvision.datasets import FER2013

        name, md5 = FER2013._RESOURCES["fer"]
        return [Download(name, md5, [])]

    def parts(self, root: Path) -> Iterable[Part]:
        # torchvision makes a tensor of each number: here a row is read at once, 30 times as fast.
        images: dict[bool, list[np.ndarray]] = {True: [], False: []}
        labels: dict[bool, list[int]] = {True: [], False: []}
        with open(root / self.folder / self.downloads()[0].name, newline="") as file:
            for row in csv.DictReader(file):
                is_training = row["Usage"] == "Training"
                images[is_training].append(np.fromstring(row["pixels"], np.uint8, sep=" "))
                labels[is_training].append(int(row["emotion"]))
        for part in (True, False):
            yield Part(np.stack(images[part]).reshape(-1, *self.shape[1:]), labels[part])

    def key(self) -> str:
        folders = self._as_folders()
        return super().key() if folders is None else folders.key()

    def decode(self, writer: Writer, progress: Progress, cancelled: Cancelled) -> None:
        folders = self._as_folders()
        if folders is None:
            super().decode(writer, progress, cancelled)
        else:
            folders.decode(writer, progress, cancelled)

    def load(self) -> ImageSet:
        return dataclasses.replace(super().load(), name=self.params.name)

    def _as_folders(self) -> Folder | None:
        """The version with one folder for each expression, where that lies in the root and the file does not."""
        home = Path(self.params.root).expanduser().absolute() / self.folder
        if (home / self.downloads()[0].name).is_file() or not (home / "train").is_dir():
            return None
        return Folder(Folder.Params(path=str(home), size=_SIDE, color="grey"))

    def _wrong(self, path: Path) -> DataError:
        return DataError(
            f"{path} is not the file of {self.known_as} (its md5 sum differs): get it again from the page that it is"
            " downloaded from, or set data.root to another folder."
        )

    def _missing(self, missing: list[Download], root: Path, error: Exception) -> DataError:
        return DataError(
            f"{self.known_as} is not on this computer ({missing[0].name} not found in {root / self.folder}): download"
            f" it from {_PAGE} and put {missing[0].name}, or its folders train and test, there, or set data.root to"
            " a folder that has them."
        )
