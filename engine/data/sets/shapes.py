"""Colored shapes on cluttered backgrounds: a made-up data set whose every image can be explained."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.config.parts import DataParams
from engine.data.image_set import DataSource, ImageSet
from engine.registry import datasets

TRAIN, TEST, SIZE = 3_000, 600, 32
CLASSES = ("circle", "square", "triangle", "cross", "ring", "star")


@datasets.register
class Shapes(DataSource):
    """3,000 training and 600 test images of 32x32 color pixels, deterministic: one shape of random color, size, place
    and tilt over clutter.
    """

    class Params(DataParams):
        name: Literal["shapes"] = "shapes"

    title = "Colored shapes"
    summary = "3,600 drawn images, 32x32 color pixels: one of six shapes in any color over clutter."

    def load(self) -> ImageSet:
        rng = np.random.default_rng(0)
        count = TRAIN + TEST
        labels = np.concatenate([rng.permutation(np.arange(n, dtype=np.int64) % len(CLASSES)) for n in (TRAIN, TEST)])
        images = draw_shapes(labels, rng)
        ids = np.arange(count, dtype=np.int64)
        return ImageSet("shapes", images, labels, ids, ids >= TRAIN, CLASSES, frozenset({"flip"}))


def draw_shapes(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One image per label, uint8 [N, 3, 32, 32], drawn at twice the size and averaged so that edges are soft."""
    n, fine = len(labels), 2 * SIZE
    line = (np.arange(fine, dtype=np.float32) + 0.5) / fine * 2 - 1
    y, x = np.meshgrid(line, line, indexing="ij")
    canvas = np.empty((n, 3, SIZE, SIZE), dtype=np.uint8)
    for i in range(n):
        ground = rng.uniform(0.1, 0.9, 3).astype(np.float32)
        slope = rng.uniform(-0.2, 0.2, (2, 3)).astype(np.float32)
        image = ground[:, None, None] + slope[0][:, None, None] * x + slope[1][:, None, None] * y
        for _ in range(int(rng.integers(3, 7))):  # clutter: small blots and bars in other colors
            color = rng.uniform(0, 1, 3).astype(np.float32)
            cx, cy = rng.uniform(-1, 1, 2)
            w, h = rng.uniform(0.04, 0.22, 2)
            blot = (np.abs(x - cx) < w) & (np.abs(y - cy) < h) if rng.random() < 0.5 else np.hypot(x - cx, y - cy) < w
            image = np.where(blot, color[:, None, None], image)
        color = rng.uniform(0, 1, 3).astype(np.float32)
        # Never a shape in its background's color.
        color = np.where(np.abs(color - ground).max() < 0.35, (ground + 0.5) % 1, color)
        radius, angle = rng.uniform(0.42, 0.7), rng.uniform(-0.35, 0.35)
        cx, cy = rng.uniform(-0.25, 0.25, 2)
        u, v = (x - cx) / radius, (y - cy) / radius
        u, v = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
        image = np.where(_inside(CLASSES[labels[i]], u, v), color[:, None, None], image)
        image = image.reshape(3, SIZE, 2, SIZE, 2).mean((2, 4)) + rng.normal(0, 0.03, (3, SIZE, SIZE))
        canvas[i] = np.clip(np.round(image * 255), 0, 255)
    return canvas


def _inside(shape: str, u: NDArray[Any], v: NDArray[Any]) -> Any:
    """bool, shaped as u and v: the places inside the shape, in coordinates where it fills -1..1."""
    distance = np.hypot(u, v)
    if shape == "circle":
        return distance < 0.9
    if shape == "ring":
        return (distance < 0.95) & (distance > 0.58)
    if shape == "square":
        return np.maximum(np.abs(u), np.abs(v)) < 0.78
    if shape == "cross":
        return ((np.abs(u) < 0.28) | (np.abs(v) < 0.28)) & (np.maximum(np.abs(u), np.abs(v)) < 0.9)
    if shape == "triangle":
        return (v < 0.7) & (v > 1.85 * np.abs(u) - 0.95)
    arms = np.cos(5 * (np.arctan2(u, -v)))
    return distance < 0.62 + 0.36 * arms
