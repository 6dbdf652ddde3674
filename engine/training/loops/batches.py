"""Ids to batches: seeded samplers pick rows, images are gathered as uint8 on the device, and views are made there."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.augment.recipes.recipe import Recipe
from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.row_sampler import RowSampler
from engine.data.split import Split
from engine.errors import ConfigError
from engine.id_positions import positions_of
from engine.methods.base.batch import Batch, Stream, StreamBatch, View
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import GradientMethod
from engine.registry import recipes
from engine.to_device import to_device
from engine.training.hardware import Machine

# of a GPU's free memory: what images may take of it before the network, its gradients and its activations do
DEVICE_SHARE = 0.25


class Batches:
    """The streams of one run. `batch(now)` follows from (seed, step) alone, so nothing of it needs saving."""

    def __init__(
        self, method: GradientMethod, config: RunConfig, images: ImageSet, split: Split, machine: Machine
    ) -> None:
        pools = split.pools()
        self._images = device_tensor(images.images, machine.device)
        device = self._device = torch.device(machine.device)
        # Small, and asked in every step: on the device from the start.
        self._labels = torch.as_tensor(images.labels).to(device)
        self._candidates = None if split.candidates is None else torch.as_tensor(split.candidates).to(device)
        self._format = machine.memory_format
        self._streams = method.streams()
        ids = {name: pools[stream.pool] for name, stream in self._streams.items()}
        self._ids = {name: torch.as_tensor(each).to(device) for name, each in ids.items()}
        self._positions = {
            name: torch.as_tensor(positions_of(each, images.ids)).to(device) for name, each in ids.items()
        }
        self._samplers = {
            name: RowSampler(len(self._ids[name]), stream.batch, config.seed, name)
            for name, stream in self._streams.items()
        }
        self._recipes = _recipes(self._streams, config, images)

    @property
    def images_per_step(self) -> int:
        """Images that go into one step, every view counted."""
        return sum(
            stream.batch * sum(view.count or 1 for view in stream.views.values()) for stream in self._streams.values()
        )

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which the stream that counts epochs goes through its pool once."""
        named = [name for name, stream in self._streams.items() if stream.epoch]
        unlabeled = [name for name, stream in self._streams.items() if stream.pool != "labeled"]
        return self._samplers[[*named, *unlabeled, *self._streams][0]].steps_per_pass

    def batch(self, now: StepContext) -> Batch:
        return {name: self._part(name, now) for name in self._streams}

    def _part(self, name: str, now: StepContext) -> StreamBatch:
        stream = self._streams[name]
        rows = to_device(self._samplers[name].rows(now.step), self._device)
        positions = self._positions[name][rows]
        # Labels leave the data only through the labeled stream: no method ever sees a hidden one.
        labels = self._labels[positions] if stream.pool == "labeled" else None
        # index_select copies whole rows: 7 times faster than indexing, which goes byte by byte. Images that a GPU has
        # no room for are gathered here, which waits for the positions.
        images = to_device(self._images.index_select(0, positions.to(self._images.device)), self._device)
        with_candidates = self._candidates if stream.pool != "labeled" else None
        candidates = with_candidates[rows] if with_candidates is not None else None
        part = StreamBatch(self._ids[name][rows], rows, labels, candidates=candidates)
        for view_name, view in stream.views.items():
            recipe = self._recipes[view]
            views = [self._view(recipe, images, now, f"view/{name}/{view_name}/{i}") for i in range(view.count or 1)]
            part.views[view_name] = views[0] if view.count is None else torch.stack(views)
        return part

    def _view(self, recipe: Recipe, images: Tensor, now: StepContext, name: str) -> Tensor:
        return recipe(images, now.rng(name)).contiguous(memory_format=self._format)


def check_streams(method: GradientMethod, config: RunConfig, images: ImageSet, task: TaskSpec) -> None:
    """Refuse a stream without images, or a view that its recipe cannot make. Raises ConfigError."""
    streams = method.streams()
    for stream in streams.values():
        if not task.counts[stream.pool]:
            raise ConfigError(
                f"{config.method.name} learns from {stream.pool.removesuffix('_only')} images, and with these labels"
                " there is none: label fewer, or more, of them."
            )
    _recipes(streams, config, images)


def _recipes(streams: dict[str, Stream], config: RunConfig, images: ImageSet) -> dict[View, Recipe]:
    made: dict[View, Recipe] = {}
    for view in (view for stream in streams.values() for view in stream.views.values()):
        params = config.augment[view.augment]
        made[view] = recipes[params.name](params, images.symmetries, images.channels, view.size)
    return made


def device_tensor(images: NDArray[np.uint8], device: str) -> Tensor:
    """The images as the tensor that batches are gathered from: uint8 [N, C, H, W], which must not be written to.

    On a CPU nothing is copied, whatever the size: a memory-mapped set is read in place, and the system keeps in memory
    what it has room for. A copy would take longer to start and as much memory again, and gains nothing once the file is
    cached (benchmarks/memory_map.py). A GPU gets the whole set if it fits into DEVICE_SHARE of its free memory, because
    sending each batch costs a step up to several milliseconds; else the rows are gathered here and sent batch by batch.
    Both give the same bits.
    """
    with warnings.catch_warnings():
        # Torch warns that a read-only map can be written to by mistake; no one does.
        warnings.simplefilter("ignore", UserWarning)
        tensor = torch.from_numpy(np.asarray(images))
    if (
        torch.device(device).type == "cuda"
        and tensor.nbytes > DEVICE_SHARE * torch.cuda.mem_get_info(torch.device(device))[0]
    ):
        return tensor
    return tensor.to(device)
