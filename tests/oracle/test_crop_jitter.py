"""crop_jitter against torchvision.transforms.v2.functional: what SimCLR's spelling of it does not use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from engine.augment.ops.operation_plan import CODE
from engine.augment.recipes.crop_jitter import CropJitter, Draw, kernel_of
from engine.augment.recipes.simclr import SimCLRView
from engine.augment.recipes.weak import Weak
from engine.errors import ConfigError

FLIP = frozenset({"flip"})


def recipe(size: int | None = None, channels: int = 3, **settings: Any) -> CropJitter:
    return CropJitter(CropJitter.Params(**settings), FLIP, channels, size)


def images(*shape: int) -> Tensor:
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def drawn(made: CropJitter, batch: int, side: int, seed: int = 0) -> Draw:
    return made.draw(batch, side, side, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("side", "size"), [(24, 12), (16, 40), (33, 20)])
def test_a_view_of_another_size_equals_torchvisions_resized_crop_to_that_size(side: int, size: int) -> None:
    """Windows of at most the view's pixels: enlarging is where both sample alike."""
    seen = images(30, 3, side, side)
    made = recipe(size, jitter=0, grey=0, blur=0, flip="off", area=0.05, area_most=min(0.9, (size / side) ** 2))
    draw = drawn(made, 30, side)
    whole = [np.maximum(np.floor(part), least) for part, least in zip(draw.window[:4], (0, 0, 1, 1), strict=True)]
    window = draw.window._replace(top=whole[0], left=whole[1], height=whole[2], width=whole[3])
    views = made.apply(seen, draw._replace(window=window)) * 255
    assert views.shape == (30, 3, size, size)
    for row in range(30):
        top, left, tall, wide = (int(part[row]) for part in whole)
        theirs = tv.resized_crop(
            seen[row].float(), top, left, tall, wide, [size, size], InterpolationMode.BILINEAR, antialias=False
        )
        assert (views[row] - theirs).abs().max() <= 0.5 + 1e-3, row


def test_windows_stay_between_the_two_areas() -> None:
    """DINO's local views: 5 to 40 % of the image."""
    window = drawn(recipe(area=0.05, area_most=0.4), 4000, 64).window
    areas = window.height * window.width / 64**2
    assert 0.05 <= areas.min() < 0.06
    assert 0.39 < areas.max() <= 0.4 + 1e-9
    assert areas.mean() == pytest.approx(0.225, abs=0.01)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_solarized_is_inverted_after_the_blur(channels: int) -> None:
    seen = images(40, channels, 40, 40)
    made = recipe(channels=channels, area=1.0, aspect=1.0, jitter=0, grey=0, blur=1.0, solarize=0.5, flip="off")
    draw = drawn(made, 40, 40)
    views = (made.apply(seen, draw) * 255).round()
    kernel = kernel_of(40, 40)
    for row in range(40):
        expected = tv.gaussian_blur(seen[row], [kernel, kernel], [float(draw.sigma[row])] * 2).float()
        if draw.solarized.operations[row, 0] == CODE["solarize"]:
            # One off by rounding, a value beside the threshold falls on the other side of it.
            clear = (expected - 128).abs() > 2
            apart = (views[row] - tv.solarize(expected.to(torch.uint8), 128).float()).abs()[clear]
        else:
            apart = (views[row] - expected).abs()
        assert apart.max() <= 1, row
    share = float((draw.solarized.operations == CODE["solarize"]).mean())
    assert 0.25 < share < 0.75


@pytest.mark.parametrize(("solarize", "blur"), [(0.0, 0.1), (0.2, 1.0), (1.0, 0.0)])
def test_blur_and_solarize_come_with_their_probabilities(solarize: float, blur: float) -> None:
    draw = drawn(recipe(solarize=solarize, blur=blur), 6000, 64)
    assert (draw.sigma > 0).mean() == pytest.approx(blur, abs=0.02)
    assert (draw.solarized.operations == CODE["solarize"]).mean() == pytest.approx(solarize, abs=0.02)


def test_each_color_has_a_strength_of_its_own() -> None:
    draw = drawn(recipe(brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1, jitter=1), 8000, 32)
    for name, strength, none in (("brightness", 0.4, 1), ("contrast", 0.3, 1), ("color", 0.2, 1), ("hue", 0.1, 0)):
        amounts = draw.colors.amounts[:, :4][draw.colors.operations[:, :4] == CODE[name]]
        assert abs(amounts - none).max() == pytest.approx(strength, abs=0.002)


def test_simclrs_views_are_these_with_one_strength_bit_for_bit() -> None:
    seen = images(50, 3, 64, 64)
    one = SimCLRView(SimCLRView.Params(strength=0.5), FLIP, 3)
    each = recipe(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    ours, theirs = (made(seen, torch.Generator().manual_seed(4)) for made in (one, each))
    assert torch.equal(ours, theirs)


def test_a_recipe_that_cannot_resize_says_so() -> None:
    with pytest.raises(ConfigError, match="The recipe weak makes views as large as the images, and views of 6 pixels"):
        Weak(Weak.Params(), FLIP, 3, 6)
