"""The strong view's operations against torchvision.transforms.v2.functional, image by image, at the same
parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from engine.augment.ops.affine import Interpolation, warp
from engine.augment.ops.color import recolor
from engine.augment.ops.color_matrix import LEFT_OUT, recolor_folded
from engine.augment.ops.operation_plan import BLENDS, CODE, COLORS, GEOMETRY, Plan
from engine.augment.recipes.strong import Strong
from engine.augment.recipes.weak import Weak

Shape = tuple[int, int, int, int]
Amounts = npt.NDArray[np.float64]

SHAPES = [(60, 3, 32, 32), (60, 1, 28, 28), (60, 1, 8, 8), (60, 3, 20, 33), (60, 3, 4, 5)]
MODES = {"nearest": InterpolationMode.NEAREST, "bilinear": InterpolationMode.BILINEAR}
RANGES = {
    **dict.fromkeys(BLENDS, (0.0, 2.0)),
    "posterize": (0, 9),
    "solarize": (0, 255),
    "hue": (-0.5, 0.5),
    "rotate": (-180, 180),
    "shear_x": (-0.5, 0.5),
    "shear_y": (-0.5, 0.5),
    "translate_x": (-9, 9),
    "translate_y": (-9, 9),
}


def slope(level: float) -> float:
    return math.degrees(math.atan(level))


THEIRS: dict[str, Callable[[Tensor, float, InterpolationMode], Tensor]] = {
    "rotate": lambda x, amount, mode: tv.rotate(x, amount, interpolation=mode),
    "shear_x": lambda x, amount, mode: tv.affine(
        x, 0.0, [0, 0], 1.0, [slope(amount), 0.0], interpolation=mode, center=[0, 0]
    ),
    "shear_y": lambda x, amount, mode: tv.affine(
        x, 0.0, [0, 0], 1.0, [0.0, slope(amount)], interpolation=mode, center=[0, 0]
    ),
    "translate_x": lambda x, amount, mode: tv.affine(x, 0.0, [amount, 0], 1.0, [0.0, 0.0], interpolation=mode),
    "translate_y": lambda x, amount, mode: tv.affine(x, 0.0, [0, amount], 1.0, [0.0, 0.0], interpolation=mode),
    "brightness": lambda x, amount, _: tv.adjust_brightness(x, amount),
    "contrast": lambda x, amount, _: tv.adjust_contrast(x, amount),
    "color": lambda x, amount, _: tv.adjust_saturation(x, amount),
    "sharpness": lambda x, amount, _: tv.adjust_sharpness(x, amount),
    "posterize": lambda x, amount, _: tv.posterize(x, int(amount)),
    "solarize": lambda x, amount, _: tv.solarize(x, amount),
    "auto_contrast": lambda x, amount, _: tv.autocontrast(x),
    "equalize": lambda x, amount, _: tv.equalize(x),
    "hue": lambda x, amount, _: tv.adjust_hue(x, amount),
    "identity": lambda x, amount, _: x,
}


def make_images(shape: Shape, seed: int = 0) -> Tensor:
    """Noise, smooth ramps, few dark values, flat images and black ones: what rounding and histograms find hardest."""
    random = np.random.default_rng(seed)
    batch, _, height, width = shape
    images = random.integers(0, 256, shape)
    images[1::5] = (np.arange(height)[:, None] * 5 + np.arange(width) * 3) % 256
    images[2::5] = random.integers(40, 60, shape)[2::5]
    images[3::5] = random.integers(0, 256, (batch, 1, 1, 1))[3::5]
    images[4::10] = 0
    return torch.from_numpy(images.astype(np.uint8))


def amounts_of(name: str, count: int, seed: int = 1) -> Amounts:
    """Round numbers first, where rounding is decided, then any; each a float32, as an operation sees it."""
    low, high = RANGES.get(name, (0, 1))
    drawn = np.random.default_rng(seed).uniform(low, high, count)
    if name in BLENDS:
        drawn[:8] = 0, 0.5, 1, 0.05, 0.25, 0.75, 0.95, 2
    if name == "solarize":
        drawn[:4] = 0, 128, 255, 127.5
    return np.floor(drawn) if name == "posterize" else drawn.astype(np.float32).astype(np.float64)


def planned(*steps: tuple[str, Amounts]) -> Plan:
    return Plan(
        np.stack([np.full(len(amounts), CODE[name]) for name, amounts in steps], 1),
        np.stack([amounts for _, amounts in steps], 1),
    )


def mixed(names: tuple[str, ...], count: int, operations: int, seed: int = 3) -> Plan:
    """Random operations of these names, another combination in every row."""
    chosen = np.random.default_rng(seed).integers(0, len(names), (count, operations))
    # [names, count, operations]
    pool = np.stack(
        [np.stack([amounts_of(name, count, seed + slot) for slot in range(operations)], 1) for name in names]
    )
    return Plan(np.array([CODE[name] for name in names])[chosen], np.take_along_axis(pool, chosen[None], 0)[0])


def one_by_one(images: Tensor, plan: Plan, mode: str = "bilinear") -> Tensor:
    names = {code: name for name, code in CODE.items()}
    result = []
    for image, operations, amounts in zip(images, plan.operations.tolist(), plan.amounts.tolist(), strict=True):
        for operation, amount in zip(operations, amounts, strict=True):
            image = THEIRS[names[operation]](image, amount, MODES[mode])
        result.append(image)
    return torch.stack(result)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*COLORS, "identity"])
def test_a_color_operation_equals_torchvisions_bit_for_bit(name: str, shape: Shape) -> None:
    images = make_images(shape)
    plan = planned((name, amounts_of(name, shape[0])))
    assert torch.equal(recolor(images, plan), one_by_one(images, plan))


@pytest.mark.parametrize("shape", SHAPES)
def test_three_color_operations_in_any_order_equal_torchvisions_one_after_the_other(shape: Shape) -> None:
    images = make_images(shape)
    plan = mixed((*COLORS, "identity"), shape[0], 3)
    assert torch.equal(recolor(images, plan), one_by_one(images, plan))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", GEOMETRY)
def test_a_geometric_operation_equals_torchvisions(name: str, shape: Shape, mode: Interpolation) -> None:
    images = make_images(shape)
    plan = planned((name, amounts_of(name, shape[0])))
    apart = (warp(images, plan, mode).int() - one_by_one(images, plan, mode).int()).abs()
    if mode == "nearest":
        assert apart.max() == 0
    # A coordinate may differ in its last bit; a mean of four pixels that lies halfway between two values then rounds
    # the other way.
    assert apart.max() <= 1
    assert (apart > 0).float().mean() < 1e-3


@pytest.mark.parametrize("first", [("rotate", 90.0), ("translate_y", 2.0)])
@pytest.mark.parametrize("second", [("translate_x", 3.0), ("rotate", 90.0)])
def test_two_geometric_operations_are_composed_in_their_order(
    first: tuple[str, float], second: tuple[str, float]
) -> None:
    images = make_images((20, 3, 12, 12))
    # Every step moves whole pixels onto whole pixels.
    plan = planned(*((name, np.full(20, amount)) for name, amount in (first, second)))
    assert torch.equal(warp(images, plan, "nearest"), one_by_one(images, plan, "nearest"))


def test_moving_out_and_back_loses_nothing_because_the_image_is_resampled_once() -> None:
    images = make_images((20, 3, 12, 12))
    there_and_back = planned(("translate_x", np.full(20, 5.0)), ("translate_x", np.full(20, -5.0)))
    assert torch.equal(warp(images, there_and_back, "bilinear"), images)
    assert (one_by_one(images, there_and_back)[..., -5:] == 0).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(set(COLORS) - set(LEFT_OUT)))
def test_a_folded_operation_is_within_two_of_256_levels_of_the_exact_one(name: str, channels: int) -> None:
    images = make_images((60, channels, 16, 16))
    plan = planned((name, amounts_of(name, 60)))
    assert (
        recolor_folded(images, plan) * 255 - recolor(images, plan)
    ).abs().max() < 2  # exact cuts off twice: the grey and the sum


def test_two_folded_operations_are_the_exact_ones_without_the_rounding_between() -> None:
    images = make_images((60, 3, 16, 16))
    gentle = ("brightness", "contrast", "color")
    plan = mixed(gentle, 60, 2)
    # Factors above 1 are cut off at 255 in between, which a matrix cannot do.
    plan = Plan(plan.operations, plan.amounts.clip(0, 1))
    assert (recolor_folded(images, plan) * 255 - recolor(images, plan)).abs().max() < 4


def test_a_whole_strong_view_without_geometry_equals_torchvisions_chain() -> None:
    images = make_images((60, 3, 20, 24))
    strong = Strong(Strong.Params.model_validate({"without": GEOMETRY}), frozenset({"flip"}), 3)
    draw = strong.draw(60, 20, 24, torch.Generator().manual_seed(5))
    expected = []
    for row, image in enumerate(images):
        down, right, flip = int(draw.crop.down[row]), int(draw.crop.right[row]), bool(draw.crop.flip[row])
        padded = tv.pad(tv.horizontal_flip(image) if flip else image, [12, 10], padding_mode="reflect")
        weak = tv.crop(padded, 10 + down, 12 + right, 20, 24)
        plan = Plan(
            draw.plan.operations[row : row + 1], draw.plan.amounts[row : row + 1].astype(np.float32).astype(np.float64)
        )
        colored = one_by_one(weak[None], plan)[0]
        top, left, side = int(draw.hole.top[row]), int(draw.hole.left[row]), draw.hole.side
        first, start = max(top, 0), max(left, 0)
        cut = tv.erase(
            colored, first, start, top + side - first, left + side - start, torch.tensor(127, dtype=torch.uint8)
        )
        expected.append(cut.float() / 255)
    assert torch.equal(strong.apply(images, draw), torch.stack(expected))


def test_a_weak_view_is_tilted_by_up_to_its_setting_in_either_direction() -> None:
    images = torch.randint(0, 256, (40, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    weak = Weak(Weak.Params(translate=0, flip="off", rotate=20.0), frozenset(), 3)
    views = weak(images, torch.Generator().manual_seed(1)) * 255
    angles = torch.arange(-40, 40.1, 0.25).tolist()
    found = []
    for image, view in zip(images, views, strict=True):
        apart = [
            float((tv.rotate(image, angle, interpolation=MODES["bilinear"]).float() - view).abs().mean())
            for angle in angles
        ]
        found.append(angles[apart.index(min(apart))])
        assert min(apart) < 4  # an eighth of a degree at most; images of noise tilted by a degree are 20 apart
    assert -20.25 <= min(found) < -15
    assert 15 < max(found) <= 20.25
