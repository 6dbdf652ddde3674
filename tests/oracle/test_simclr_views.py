"""SimCLR's views against torchvision.transforms.v2.functional, image by image, at the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from engine.augment.ops.affine import read, sources
from engine.augment.ops.blur import blur
from engine.augment.ops.operation_plan import CODE
from engine.augment.ops.resized_crop import TRIES, Window, raster, window_of
from engine.augment.recipes.crop_jitter import kernel_of
from engine.augment.recipes.simclr import SimCLRView
from engine.config.run_config import RunConfig
from engine.data.sets.digits import Digits
from engine.registry import datasets

BILINEAR = InterpolationMode.BILINEAR
THEIRS = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "color": tv.adjust_saturation,
    "hue": tv.adjust_hue,
}
Shape = tuple[int, int, int, int]


def make_images(shape: Shape, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def recipe(channels: int = 3, symmetries: frozenset[str] = frozenset({"flip"}), **params: Any) -> SimCLRView:
    return SimCLRView(SimCLRView.Params(**params), symmetries, channels)


def whole_pixels(count: int, height: int, width: int, seed: int = 0) -> Window:
    """Windows as torchvision draws them: whole pixels, of at least one."""
    random = np.random.default_rng(seed)
    tall, wide = random.integers(1, height + 1, count), random.integers(1, width + 1, count)
    top, left = (random.integers(0, side - part + 1) for side, part in ((height, tall), (width, wide)))
    return Window(
        top.astype(float), left.astype(float), tall.astype(float), wide.astype(float), random.random(count) < 0.5
    )


def seen_through(images: Tensor, window: Window) -> Tensor:
    height, width = images.shape[2:]
    still = sources(np.full((len(images), 1), CODE["identity"]), np.zeros((len(images), 1)), height, width)
    return read(images.float(), still, *raster(window, (height, width), (height, width)))


def cropped(image: Tensor, window: Window, row: int) -> Tensor:
    """The window cut out and enlarged, then mirrored, by torchvision."""
    top, left, tall, wide = (int(part[row]) for part in window[:4])
    result = tv.resized_crop(image, top, left, tall, wide, list(image.shape[1:]), BILINEAR, antialias=True)
    seen: Tensor = tv.horizontal_flip(result) if window.flip[row] else result
    return seen


@pytest.mark.parametrize("shape", [(60, 3, 32, 32), (60, 1, 28, 28), (60, 1, 8, 8), (60, 3, 20, 33)])
def test_a_window_of_whole_pixels_equals_torchvisions_resized_crop(shape: Shape) -> None:
    images, window = make_images(shape), whole_pixels(shape[0], *shape[2:])
    seen = seen_through(images, window).int()
    rounded = torch.stack([cropped(image, window, row) for row, image in enumerate(images)])
    assert (seen - rounded.int()).abs().max() <= 1  # theirs rounds twice on bytes, after the columns and after the rows
    floats = torch.stack([cropped(image.float(), window, row) for row, image in enumerate(images)])
    assert (seen - floats).abs().max() <= 0.5 + 1e-3


def test_the_whole_image_as_a_window_is_the_image() -> None:
    images = make_images((4, 3, 9, 14))
    zero, full = np.zeros(4), np.full(4, 1.0)
    assert torch.equal(seen_through(images, Window(zero, zero, 9 * full, 14 * full, np.zeros(4, bool))), images)


def test_windows_have_torchvisions_areas_shapes_and_places() -> None:
    count, side = 4000, 64
    window = window_of(np.random.default_rng(0).random((2 * TRIES + 3, count)), side, side, (0.08, 1.0), 4 / 3, True)
    torch.manual_seed(0)
    theirs = np.array(
        [
            RandomResizedCrop.make_params(
                RandomResizedCrop(side, (0.08, 1), (3 / 4, 4 / 3)), [torch.zeros(3, side, side)]
            )
            for _ in range(count)
        ],
        dtype=object,
    )
    drawn = np.array([[one[name] for name in ("top", "left", "height", "width")] for one in theirs], dtype=float)
    ours = np.stack(window[:4], 1)
    for name, left, right in (
        ("area", ours[:, 2] * ours[:, 3], drawn[:, 2] * drawn[:, 3]),
        ("shape", np.log(ours[:, 3] / ours[:, 2]), np.log(drawn[:, 3] / drawn[:, 2])),
        ("top", ours[:, 0], drawn[:, 0]),
        ("left", ours[:, 1], drawn[:, 1]),
    ):
        spread = np.sqrt((left.var() + right.var()) / count)
        assert abs(left.mean() - right.mean()) < 4 * spread + (0.5 if name in ("top", "left") else 0), name
        assert left.std() == pytest.approx(right.std(), rel=0.06), name
    assert (ours >= 0).all()
    assert (ours[:, 0] + ours[:, 2] <= side + 1e-9).all()
    assert (ours[:, 1] + ours[:, 3] <= side + 1e-9).all()
    assert 0.45 < window.flip.mean() < 0.55


def test_a_window_that_never_fits_is_the_whole_image() -> None:
    chance = np.full((2 * TRIES + 3, 5), 0.999)  # as large and as wide as can be
    window = window_of(chance, 10, 10, (0.9, 1.0), 4.0, False)
    assert (np.stack(window[:4]) == np.array([[0], [0], [10], [10]])).all()


@pytest.mark.parametrize(("shape", "kernel"), [((20, 3, 32, 32), 3), ((20, 1, 64, 70), 7), ((6, 3, 96, 96), 9)])
def test_a_blur_equals_torchvisions(shape: Shape, kernel: int) -> None:
    images = make_images(shape)
    sigma = np.random.default_rng(0).uniform(0.1, 2, shape[0]) * (np.arange(shape[0]) % 3 > 0)
    expected = torch.stack(
        [
            tv.gaussian_blur(image, [kernel, kernel], [float(s), float(s)]) if s else image
            for image, s in zip(images, sigma, strict=True)
        ]
    )
    apart = (blur(images, sigma, kernel).int() - expected.int()).abs()
    assert apart.max() <= 1  # a sum that lies halfway between two values
    assert (apart > 0).float().mean() < 1e-2


@pytest.mark.parametrize(("side", "kernel"), [(8, 1), (20, 3), (32, 3), (64, 7), (96, 9), (224, 23)])
def test_the_blurs_kernel_is_a_tenth_of_the_side_and_odd(side: int, kernel: int) -> None:
    assert kernel_of(side, side) == kernel


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [8, 32, 64])
def test_a_whole_view_equals_torchvisions_chain(channels: int, side: int) -> None:
    images = make_images((40, channels, side, side))
    made = recipe(channels, strength=1.0)
    drawn = made.draw(40, side, side, torch.Generator().manual_seed(3))
    draw = drawn._replace(window=whole_pixels(40, side, side))
    names = {code: name for name, code in CODE.items()}
    expected, window = [], seen_through(images, draw.window)
    for row, view in enumerate(window):
        for code, amount in zip(
            draw.colors.operations[row], draw.colors.amounts[row].astype(np.float32).tolist(), strict=True
        ):
            view = THEIRS[names[code]](view, amount) if names[code] in THEIRS else view
        if draw.sigma[row]:
            view = tv.gaussian_blur(view, [kernel_of(side, side)] * 2, [float(draw.sigma[row])] * 2)
        expected.append(view)
    apart = (made.apply(images, draw) * 255 - torch.stack(expected)).abs()
    assert apart.max() <= 1 + 1e-4
    assert (apart > 0.5).float().mean() < 1e-2


def test_colors_are_the_papers_four_in_any_order_on_four_of_five_views_and_grey_on_one() -> None:
    plan = recipe(strength=0.5).draw(8000, 32, 32, torch.Generator().manual_seed(0)).colors
    jittered = (plan.operations[:, :4] != CODE["identity"]).all(1)
    assert jittered.mean() == pytest.approx(0.8, abs=0.02)
    assert len(np.unique(plan.operations[jittered][:, :4], axis=0)) == 24
    for name, low, high in (("brightness", 0.6, 1.4), ("contrast", 0.6, 1.4), ("color", 0.6, 1.4), ("hue", -0.1, 0.1)):
        amounts = plan.amounts[:, :4][plan.operations[:, :4] == CODE[name]]
        assert amounts.min() == pytest.approx(low, abs=0.002)
        assert amounts.max() == pytest.approx(high, abs=0.002)
        assert amounts.mean() == pytest.approx((low + high) / 2, abs=0.02)
    grey = plan.operations[:, 4] == CODE["color"]
    assert grey.mean() == pytest.approx(0.2, abs=0.02)
    assert (plan.amounts[grey, 4] == 0).all()


def test_half_of_the_views_are_blurred_from_64_pixels_on_and_none_below() -> None:
    def blurred(side: int, **params: Any) -> float:
        return float((recipe(**params).draw(4000, side, side, torch.Generator().manual_seed(0)).sigma > 0).mean())

    assert blurred(64) == pytest.approx(0.5, abs=0.03)
    assert blurred(63) == blurred(224, blur="off") == blurred(8, blur="on") == 0
    assert blurred(32, blur="on") == pytest.approx(0.5, abs=0.03)
    sigma = recipe().draw(4000, 64, 64, torch.Generator().manual_seed(0)).sigma
    assert 0.1 <= sigma[sigma > 0].min() < 0.11
    assert 1.99 < sigma.max() <= 2


def test_an_image_is_tilted_about_its_centre_before_the_window_is_cut() -> None:
    images = make_images((20, 3, 16, 16))
    made = recipe(area=1.0, aspect=1.0, strength=0, grey=0, flip="off", rotate=30.0)
    draw = made.draw(20, 16, 16, torch.Generator().manual_seed(0))
    expected = torch.stack(
        [
            tv.rotate(image, float(angle), BILINEAR)
            for image, angle in zip(images, draw.geometry.amounts[:, 0], strict=True)
        ]
    )
    apart = (made.apply(images, draw) * 255 - expected).abs()
    assert apart.max() <= 1 + 1e-4
    assert (apart > 0.5).float().mean() < 1e-2


def test_nothing_is_tilted_by_default() -> None:
    draw = recipe().draw(100, 32, 32, torch.Generator().manual_seed(0))
    assert not draw.geometry.amounts.any()


@pytest.mark.parametrize("flip", ["auto", "off"])
def test_images_without_that_symmetry_are_never_mirrored(flip: str) -> None:
    draw = recipe(symmetries=frozenset(), flip=flip).draw(500, 8, 8, torch.Generator().manual_seed(0))
    assert not draw.window.flip.any()


def test_digits_recommend_views_that_keep_a_digit_a_digit() -> None:
    asked = RunConfig.parse({"data": {"name": "digits"}, "method": {"name": "simclr"}}).augment["simclr"]
    assert isinstance(asked, SimCLRView.Params)
    made = SimCLRView(asked, datasets["digits"](Digits.Params()).load().symmetries, 1)
    draw = made.draw(2000, 8, 8, torch.Generator().manual_seed(0))
    assert not draw.window.flip.any()
    assert (draw.window.height * draw.window.width).min() >= 0.5 * 64 - 1e-9
    assert abs(draw.geometry.amounts[:, 0]).max() <= 20  # a 6 stays a 6
    assert not draw.sigma.any()
