"""How an image is brought to the size and colors of a data set."""

from __future__ import annotations

import numpy as np
import pytest

from engine.images.fit import fit_image


def test_padding_continues_the_border_of_the_image() -> None:
    wide = np.full((10, 20, 3), [200, 100, 50], np.uint8)
    wide[4:6, 8:12] = 0
    fitted = fit_image(wide, 20, 3)
    assert fitted.shape == (3, 20, 20)
    assert fitted[:, :5].reshape(3, -1).T.tolist() == [[200, 100, 50]] * 100
    assert fitted[:, 9:11, 8:12].max() == 0


def test_cropping_keeps_the_middle_square() -> None:
    left_to_right = np.repeat(np.arange(0, 240, 10, dtype=np.uint8)[None, :, None], 12, axis=0)  # [12, 24, 1]
    assert fit_image(left_to_right, 12, 1, "crop").tolist() == [[list(range(60, 180, 10))] * 12]


def test_squashing_uses_every_part() -> None:
    halves = np.zeros((2, 100, 1), np.uint8)
    halves[:, 50:] = 255
    fitted = fit_image(halves, 10, 1, "squash")[0]
    assert fitted[0, 0] == 0
    assert fitted[0, -1] == 255
    assert fitted.shape == (10, 10)


def test_shrinking_averages_so_that_fine_lines_do_not_vanish() -> None:
    lines = np.zeros((64, 64, 1), np.uint8)
    lines[:, ::2] = 255
    fitted = fit_image(lines, 8, 1)
    assert int(fitted.min()) >= 120
    assert int(fitted.max()) <= 136


def test_a_hard_edge_gets_no_halo() -> None:
    edge = np.full((64, 64, 1), 60, np.uint8)
    edge[:, 32:] = 190
    fitted = fit_image(edge, 16, 1)
    assert int(fitted.min()) == 60
    assert int(fitted.max()) == 190


def test_color_becomes_grey_by_its_brightness_and_grey_becomes_three_equal_channels() -> None:
    green = np.full((4, 4, 3), [0, 255, 0], np.uint8)
    assert fit_image(green, 2, 1).tolist() == [[[150, 150], [150, 150]]]  # 0.587 of 255
    assert fit_image(np.full((4, 4, 1), 77, np.uint8), 2, 3).tolist() == [[[77, 77], [77, 77]]] * 3


def test_an_image_one_pixel_high_still_fits() -> None:
    assert fit_image(np.full((1, 5000, 1), 9, np.uint8), 8, 1).tolist() == [[[9] * 8] * 8]


def test_pixels_of_the_wrong_shape_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match=r"image must be uint8 \[H, W, 1 or 3\], but is float64 \[4, 4\]"):
        fit_image(np.zeros((4, 4)), 8, 1)  # type: ignore[arg-type]
