"""Where a model looks, for models whose reasons are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.analysis.occlusion import occlusion

RNG = np.random.default_rng(0)


def brightness_of_a_corner(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Two classes; the first is as probable as the upper left quarter is bright, and nothing else matters."""
    share = images[:, :, :8, :8].mean((1, 2, 3)) / 255
    return np.stack([share, 1 - share], 1).astype(np.float32)


def test_only_the_part_that_decides_holds_the_answer_up() -> None:
    image = np.zeros((3, 16, 16), np.uint8)
    image[:, :8, :8] = 255
    held = occlusion(brightness_of_a_corner, image)
    assert held.shape == (16, 16)
    assert held[:8, :8].min() > 0.05
    # A square of 4 pixels that covers these touches no pixel of the quarter.
    assert np.abs(held[12:, 12:]).max() == 0
    # Covering 16 of the quarter's 64 pixels takes a quarter of the probability, and the middle is always so covered.
    np.testing.assert_allclose(held[3:5, 3:5], 16 / 64, atol=1e-6)


def test_a_model_that_looks_at_nothing_has_an_even_map() -> None:
    def always(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.tile(np.array([0.25, 0.75], np.float32), (len(images), 1))

    held = occlusion(always, RNG.integers(0, 256, (1, 28, 20), dtype=np.uint8))
    assert held.shape == (28, 20)
    assert (held == 0).all()


def test_what_speaks_against_the_answer_is_negative() -> None:
    def dark_is_sure(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        share = 1 - images[:, :, :, 6:].mean((1, 2, 3)) / 510
        return np.stack([share, 1 - share], 1).astype(np.float32)

    image = np.zeros((1, 12, 12), np.uint8)
    image[:, :3, 9:] = 255
    held = occlusion(dark_is_sure, image)
    assert held[0, 11] < 0
    assert held[11, 0] == 0


def test_an_image_of_one_pixel_is_covered_whole() -> None:
    assert occlusion(lambda images: np.ones((len(images), 1), np.float32), np.zeros((1, 1, 1), np.uint8)).shape == (
        1,
        1,
    )
