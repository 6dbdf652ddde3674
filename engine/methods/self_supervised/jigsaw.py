"""jigsaw: in which order were the tiles of the image shuffled?"""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.methods.parts.networks import Head
from engine.metrics import Metric
from engine.registry import methods
from engine.to_device import to_device

CELL, TILE, COLOR_SHIFT = 75, 64, 2
"""The paper's pixels: a tile of 64 at a random place of a cell of 75, its colors shifted by up to 2 against each
other.
"""
GREY_SHARE = 0.3
SMALL = 16
"""Pixels below which there are 2x2 tiles in place of 3x3."""


class Cuts(NamedTuple):
    """Where the tiles of a batch are cut: int64 [N, tiles, C] each, the upper left pixel for every channel."""

    top: Tensor
    left: Tensor


@methods.register
class Jigsaw(EncoderMethod):
    """Solving jigsaw puzzles (Noroozi & Favaro 2016, arXiv:1603.09246): the image's tiles are shuffled by one of P
    permutations, and the network says by which.

    Every tile goes through the same network and one more layer; only what follows sees the tiles together, in the order
    in which they are presented. What would solve the puzzle without looking at the content is taken away as in the
    paper: tiles lie at random places within their cells, so that edges do not continue; each has mean 0 and standard
    deviation 1 in every channel; three images of ten are grey, and on larger images colors are shifted against each
    other. A tile is enlarged to the images' size, so that any network takes it and keeps its resolution; features are
    those of the whole image. Permutations are chosen one by one, each as far as possible from the nearest chosen one
    (Hamming distance; ties by the sum, in which the paper's rule lets some differ in two tiles only). The paper starts
    from a random one, which is the same up to the names of the tiles. All tiles go through in one forward pass, which
    moves batch norm once, with the statistics of tiles.
    """

    class Params(MethodParams):
        name: Literal["jigsaw"] = "jigsaw"
        tiles: Literal["auto", "2x2", "3x3"] = param(
            "auto", help="Tiles of an image. auto: 2x2 below 16 pixels, else the paper's 3x3."
        )
        permutations: int = param(
            24,
            ge=2,
            le=1000,
            symbol="P",
            help="Orders to choose among; 2x2 tiles have 24 at most. The paper has up to 1,000 of 3x3.",
        )
        tile_size: int = param(
            64, ge=2, le=4096, advanced=True, help="Features of a tile for the puzzle; the paper has 512."
        )
        hidden_size: int = param(
            256, ge=2, le=8192, advanced=True, help="Width of the layer that sees all tiles; the paper has 4,096."
        )

    title = "Jigsaw"
    summary = "Learns features without any label: in which order were the tiles of the image shuffled?"
    idea = "To put the shuffled tiles of an image back in order, a network must know the parts of things."
    formula = (
        r"L = -\frac{1}{N} \sum_i \log p\left(\pi_i \mid f(x_{i, \pi_i(1)}), \ldots, f(x_{i, \pi_i(T)})\right), \quad"
        r" \pi_i \in \{\pi^{1}, \ldots, \pi^{P}\}"
    )
    paper = "Noroozi & Favaro 2016, arXiv:1603.09246"
    views: ClassVar[dict[str, dict[str, Any]]] = {"image": {"name": "weak", "flip": "off"}}
    headline = ("test/knn_1_per_class", "test/knn_5_per_class", "jigsaw/accuracy")
    metrics = (
        Metric(
            "jigsaw/accuracy",
            "Puzzle accuracy",
            "Share of the shuffled images of a step whose permutation is predicted correctly; chance is one in as many"
            " as there are permutations.",
            chart="share",
        ),
    )
    views_caption = "The puzzles it solved: tiles cut from an image and shuffled"
    view_titles: ClassVar[dict[str, str]] = {"image": "image", "puzzle": "puzzle"}
    recommended: ClassVar[dict[str, Any]] = {"budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50}}
    table: Tensor

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.grid = {"auto": 2 if problem.size < SMALL else 3, "2x2": 2, "3x3": 3}[params.tiles]
        self.cell = problem.size // self.grid
        self.tile = max(1, self.cell * TILE // CELL)
        if self.tile < 2:
            raise ConfigError(
                f"Images of {problem.size} pixels leave tiles of one pixel: set method.tiles to 2x2 or choose larger"
                " images."
            )
        table = permutation_table(self.grid**2, params.permutations)
        self.register_buffer("table", torch.tensor(table))
        self.tile_layer = Head(nn.Linear(backbone.feature_size, params.tile_size), nn.ReLU(inplace=True))
        self.head = Head(
            nn.Linear(self.grid**2 * params.tile_size, params.hidden_size),
            nn.ReLU(inplace=True),
            nn.Linear(params.hidden_size, len(table)),
        )

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        images, chance = batch["unlabeled"].image, now.rng("puzzle")
        chosen = to_device(torch.randint(len(self.table), (len(images),), generator=chance), images.device)
        tiles = shuffled(self._tiles(images, chance), self.table[chosen])  # [N, T, C, t, t]
        logits = self.orders(self.tile_features(tiles))
        loss = F.cross_entropy(logits, chosen)
        right = (logits.detach().argmax(1) == chosen).float().mean()
        return StepResult(loss, {"loss/unlabeled": loss.detach(), "jigsaw/accuracy": right})

    def tile_features(self, tiles: Tensor) -> Tensor:
        """What the network makes of each tile by itself, [N·T, D]. tiles: [N, T, C, t, t]."""
        enlarged = F.interpolate(standardized(tiles).flatten(0, 1), (self.problem.size,) * 2, mode="bilinear")
        # The network's own normalization gives the tiles back as they are here.
        scale, center = self.backbone.std[:, None, None], self.backbone.mean[:, None, None]
        features: Tensor = self.backbone(enlarged * scale + center)
        return features

    def orders(self, features: Tensor) -> Tensor:
        """Features of tiles in the order in which they are presented, [N·T, D], to logits of the permutations,
        [N, P].
        """
        together = self.tile_layer(features).reshape(-1, self.grid**2 * self.params.tile_size)  # [N, T·F]
        logits: Tensor = self.head(together)
        return logits

    def _tiles(self, images: Tensor, generator: torch.Generator) -> Tensor:
        count, channels, _, _ = images.shape
        if channels == 3:
            grey = to_device(torch.rand(count, 1, 1, 1, generator=generator), images.device) < GREY_SHARE
            images = torch.where(grey, images.mean(1, keepdim=True), images)
        return cut(images, self._cuts(count, channels, generator), self.tile)

    def _cuts(self, count: int, channels: int, generator: torch.Generator) -> Cuts:
        """A random window of the grid's size, a random place in each cell, and every channel a little beside it."""
        margin, gap = self.problem.size - self.grid * self.cell, self.cell - self.tile
        shift = COLOR_SHIFT * self.tile // TILE if channels == 3 else 0
        sides = []
        for number in (torch.arange(self.grid**2) // self.grid, torch.arange(self.grid**2) % self.grid):
            window = torch.randint(margin + 1, (count, 1, 1), generator=generator)
            place = torch.randint(gap + 1, (count, self.grid**2, 1), generator=generator)
            colors = torch.randint(-shift, shift + 1, (count, self.grid**2, channels), generator=generator)
            sides.append(window + self.cell * number[None, :, None] + (place + colors).clamp(0, gap))
        return Cuts(*sides)

    def show(self, batch: Batch) -> dict[str, Tensor]:
        """The images, and a puzzle made of each, with the tiles at the places where they are presented."""
        images = batch["unlabeled"].image
        tiles = self._tiles(images, torch.Generator().manual_seed(0))
        orders = self.table[torch.arange(1, len(images) + 1, device=images.device) % len(self.table)]
        puzzle = torch.zeros_like(images)
        for place, tile in enumerate(shuffled(tiles, orders).unbind(1)):
            top, left = (self.cell * number for number in divmod(place, self.grid))
            puzzle[:, :, top : top + self.tile, left : left + self.tile] = tile
        return {"image": images, "puzzle": puzzle}


def cut(images: Tensor, cuts: Cuts, tile: int) -> Tensor:
    """The tiles [N, T, C, tile, tile] of images [N, C, H, W]."""
    count, channels, _, _ = images.shape
    steps = torch.arange(tile)
    rows = to_device(cuts.top[..., None, None] + steps[:, None], images.device)  # [N, T, C, tile, 1]
    columns = to_device(cuts.left[..., None, None] + steps, images.device)  # [N, T, C, 1, tile]
    of = torch.arange(count, device=images.device).view(-1, 1, 1, 1, 1)
    channel = torch.arange(channels, device=images.device).view(1, 1, -1, 1, 1)
    return images[of, channel, rows, columns]


def shuffled(tiles: Tensor, orders: Tensor) -> Tensor:
    """The tiles [N, T, ...] in the order in which they are presented: place t shows tile orders[:, t]. orders: int64
    [N, T].
    """
    return tiles[torch.arange(len(tiles), device=tiles.device)[:, None], orders]


def standardized(tiles: Tensor) -> Tensor:
    """Each tile less its mean, over its standard deviation (unbiased), channel by channel; a blank one becomes 0.
    tiles: [..., t, t], t at least 2.
    """
    mean, deviation = tiles.mean((-2, -1), keepdim=True), tiles.std((-2, -1), keepdim=True)
    # Rounding leaves a blank tile a deviation of a millionth, which would be blown up to contrast.
    return (tiles - mean) / torch.where(deviation > 1e-4, deviation, 1.0)


@functools.lru_cache(maxsize=4)
def permutation_table(tiles: int, count: int) -> NDArray[np.int64]:
    """[min(count, tiles!), tiles]: permutations of 0..tiles-1, from the identity on each the one whose smallest Hamming
    distance to those before is largest; of such ones that with the largest sum of distances, then the first in
    lexicographic order.
    """
    every = np.array(list(itertools.permutations(range(tiles))), dtype=np.int8)
    count = min(count, math.factorial(tiles))
    chosen, least, total = [0], np.full(len(every), tiles + 1), np.zeros(len(every), dtype=np.int64)
    while len(chosen) < count:
        distance = (every != every[chosen[-1]]).sum(1)
        least, total = np.minimum(least, distance), total + distance
        # total is below this factor, so the smallest distance decides first; 0 for those already chosen.
        chosen.append(int((least * (tiles * count + 1) + total).argmax()))
    table: NDArray[np.int64] = every[chosen].astype(np.int64)
    return table
