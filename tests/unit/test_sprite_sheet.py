"""A sheet of small images: where each stands, and what is left of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ui.components.sprite_sheet import SpriteSheet, sprite_sheet


def tile(sheet: SpriteSheet, number: int) -> NDArray[np.uint8]:
    """[side, side] or [side, side, 3], as the browser finds it: by its number alone."""
    image = Image.open(io.BytesIO(sheet.file))
    left, top = sheet.side * (number % sheet.columns), sheet.side * (number // sheet.columns)
    return np.asarray(image.crop((left, top, left + sheet.side, top + sheet.side)))


def test_small_images_stand_in_the_order_that_was_asked_for_and_lose_nothing() -> None:
    images = np.random.default_rng(0).integers(0, 256, (700, 1, 8, 8), dtype=np.uint8)
    rows = np.random.default_rng(1).permutation(700)[:600]
    sheet = sprite_sheet("small", rows, images)
    assert (sheet.side, sheet.mimetype) == (8, "image/png")
    for number in (0, 1, 255, 256, 599):
        assert np.array_equal(tile(sheet, number), images[rows[number], 0])


@pytest.mark.parametrize(("height", "side"), [(33, 16), (64, 32), (100, 25), (224, 32)])
def test_photos_are_reduced_to_tiles_of_at_most_32_pixels_in_their_colors(height: int, side: int) -> None:
    """Of a ramp, whose mean over any block is known, and which is another one in each color."""
    ramp = np.linspace(0, 200, height)
    photo = np.stack([np.tile(ramp, (height, 1)), np.tile(ramp[:, None], height), np.full((height, height), 90.0)])
    sheet = sprite_sheet(f"photo {height}", np.zeros(3, np.int64), np.round(photo)[None].astype(np.uint8))
    assert sheet.side == side
    step = height // side
    means = ramp[: side * step].reshape(side, step).mean(1)
    found = tile(sheet, 2).astype(float)
    assert found[side // 2, :, 0] == pytest.approx(means, abs=8)
    assert found[:, side // 2, 1] == pytest.approx(means, abs=8)
    assert found[..., 2] == pytest.approx(np.full((side, side), 90.0), abs=8)


def test_many_photos_are_a_jpeg_whose_tiles_are_still_told_apart() -> None:
    grays = np.linspace(0, 255, 1_200).astype(np.uint8)
    images = np.broadcast_to(grays[:, None, None, None], (1_200, 1, 32, 32))
    sheet = sprite_sheet("many", np.arange(1_200), images)
    assert sheet.mimetype == "image/jpeg"
    for number in (0, 34, 35, 700, 1_199):
        assert tile(sheet, number)[8:24, 8:24].mean() == pytest.approx(float(grays[number]), abs=3)
