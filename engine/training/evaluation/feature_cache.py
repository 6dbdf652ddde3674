"""Features of a frozen network, computed once for a set of images and kept in a memory-mapped file.

What takes minutes for photos is then there at once for every run, method and evaluation on the same images with the
same weights. A file is filled block by block, and a block that is there is never computed again: whoever is stopped
halfway goes on from there.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from engine.backbones.backbone import Backbone
from engine.data.image_set import ImageSet
from engine.data.importing.image_cache import cache_root
from engine.errors import DataError
from engine.training.evaluation import onnx_network
from engine.training.hardware import Machine

BLOCK = 128
"""Images that go through the network together, always the same ones, so that features do not depend on who asks."""
VERSION = 1  # raised whenever the same network would give other features
_MARKS = "done.npy"
_PATIENCE = 10.0  # seconds for which another process may be making the files
Features = NDArray[np.float32]
Told = Callable[[int, int], None]
"""How many images of how many have features; may raise to stop."""


class FeatureCache:
    """Features [N, D] of all images of a set, by their position in it.

    Several processes may fill one file: they write the same numbers. What cannot be written is kept in memory.
    """

    def __init__(self, images: ImageSet, backbone: Backbone, machine: Machine) -> None:
        self._images, self._backbone, self._machine = images, backbone, machine
        self._network: Callable[[NDArray[np.uint8]], Features] | None = None
        self._unwritten: dict[int, Features] = {}
        count = len(images.ids)
        folder = cache_root() / "features" / _key(images, backbone, machine)
        self._file, self._marks = folder / "features.npy", folder / _MARKS
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # One process makes the files, and the others open the same ones.
            with FileLock(folder / ".lock", timeout=_PATIENCE):
                self._table = _opened(self._file, np.dtype(np.float32), (count, backbone.feature_size))
                self._done = np.array(_opened(self._marks, np.dtype(np.bool_), (-(-count // BLOCK),)))
            self._writes = True
        except (OSError, Timeout):
            self._table = np.zeros((count, backbone.feature_size), np.float32)
            self._done = np.zeros(-(-count // BLOCK), np.bool_)
            self._writes = False

    def at(self, positions: NDArray[np.int64], told: Told = lambda done, total: None) -> Features:
        """Features [n, D] of the images at these positions; those that are missing are computed first."""
        block_of = positions // BLOCK
        missing = [int(block) for block in np.unique(block_of) if not self._done[block]]
        ready = len(positions) - int(np.isin(block_of, missing).sum())
        for block in missing:
            told(ready, len(positions))
            self._compute(block)
            ready += int((block_of == block).sum())
        if missing:
            told(ready, len(positions))
        features = np.array(self._table[positions])
        for block, kept in self._unwritten.items():
            here = block_of == block
            features[here] = kept[positions[here] - block * BLOCK]
        return features

    def fill(self, told: Told = lambda done, total: None) -> Path:
        """Compute all features that are missing; the file that holds them, for other processes to map. Raises DataError
        if there is no room for it.
        """
        count = len(self._images.ids)
        for start in range(0, count, BLOCK):
            told(start, count)
            block = start // BLOCK
            if not self._done[block]:
                self._compute(block)
        if self._unwritten:
            raise DataError(
                f"The features of these images could not be written to {cache_root()}: free some disk space, or set"
                " FEWLAB_CACHE to a folder that can be written."
            )
        told(count, count)
        return self._file

    def _compute(self, block: int) -> None:
        if self._network is None:
            in_runtime = onnx_network.runs(self._backbone, self._machine)
            self._network = (
                onnx_network.in_onnxruntime(folded(self._backbone), self._machine.threads)
                if in_runtime
                else self._in_torch()
            )
        start = block * BLOCK
        features = self._network(np.array(self._images.images[start : start + BLOCK]))
        if not self._writes:
            self._unwritten[block], self._done[block] = features, True
            return
        try:
            # Written as to any file: a store into mapped memory for which the disk has no room ends the process.
            _write(self._file, self._table, features, start * features.shape[1])
            self._done[block] = True
            _write(self._marks, self._done, self._done[block : block + 1], block)
        except OSError:
            self._unwritten[block], self._done[block] = features, True

    def _in_torch(self) -> Callable[[NDArray[np.uint8]], Features]:
        network = self._machine.place(folded(self._backbone)).eval()

        def features(pixels: NDArray[np.uint8]) -> Features:
            scaled = torch.as_tensor(pixels).to(self._machine.device).float() / 255
            with torch.inference_mode():
                found: Features = (
                    network(scaled.contiguous(memory_format=self._machine.memory_format)).float().cpu().numpy()
                )
            return found

        return features


def folded(backbone: Backbone) -> Backbone:
    """A copy that answers in eval mode as the backbone does, to rounding, with every batch norm that directly follows
    its convolution in a sequence computed as part of it: twice as fast on a CPU.
    """
    network = copy.deepcopy(backbone).eval()
    if not backbone.is_foldable:
        return network
    for part in network.modules():
        if not isinstance(part, nn.Sequential):
            continue
        children = list(part.named_children())
        for (name, conv), (next_name, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(part, name, fuse_conv_bn_eval(conv, norm))
                setattr(part, next_name, nn.Identity())
    return network


def _key(images: ImageSet, backbone: Backbone, machine: Machine) -> str:
    """Of everything that the features follow from."""
    about = [
        VERSION,
        images.pixel_hash,
        backbone.params.model_dump(mode="json", exclude={"init"}),
        machine.device,
        machine.precision,
        machine.threads,
        machine.channels_last,
        machine.deterministic,
        machine.tf32,
        str(torch.__version__),  # not the one that a resumed run began with
    ]
    if onnx_network.runs(backbone, machine):
        about.append(onnx_network.RUNTIME)
    if backbone.package:
        about.append(f"{backbone.package} {version(backbone.package)}")
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, value in sorted(backbone.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _opened(path: Path, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The array in the file, mapped for reading; anew, all zeros, where there is none or it is damaged."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        if found.dtype == dtype and found.shape == shape:
            return found
    except (OSError, ValueError, EOFError):
        pass
    # What was said to be in it is gone with it.
    (path.parent / _MARKS).unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)  # sparse: it takes no room yet
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    opened: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return opened


def _write(path: Path, whole: NDArray[Any], values: NDArray[Any], place: int) -> None:
    """Write `values` into the file of the array `whole`, from its element number `place` on, down to the disk."""
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(size - whole.nbytes + place * values.itemsize)
        file.write(np.ascontiguousarray(values).data)
        file.flush()
        os.fsync(file.fileno())
