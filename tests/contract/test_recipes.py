"""The suite that every registered view recipe passes, without anyone writing a test for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.augment.recipes.recipe import Recipe
from engine.config.parts import RecipeParams
from engine.registry import recipes
from tests.contract.other_values import other_values, settings_of

RECIPES = list(recipes)
SETTINGS = [(recipe, setting) for recipe in RECIPES for setting in settings_of(recipes[recipe].Params, RecipeParams)]
FLIP = frozenset({"flip"})
NONE: frozenset[str] = frozenset()
Shape = tuple[int, int, int, int]
# Digits, handwriting, photos, a side that no power of two divides; one image, an odd batch, images that are no square.
SHAPES = [
    *((4, channels, side, side) for channels in (1, 3) for side in (8, 28, 32, 33)),
    (1, 1, 28, 28),
    (1, 3, 32, 32),
    (7, 3, 9, 14),
    (2, 1, 5, 17),
]


def random_images(shape: Shape = (64, 3, 32, 32), seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def build(name: str, channels: int = 3, symmetries: frozenset[str] = FLIP, **params: Any) -> Recipe:
    made: Recipe = recipes[name](recipes[name].Params(**params), symmetries, channels)
    return made


def view(name: str, images: Tensor, seed: int = 0, symmetries: frozenset[str] = FLIP, **params: Any) -> Tensor:
    return build(name, images.shape[1], symmetries, **params)(images, torch.Generator().manual_seed(seed))


def variants(name: str) -> list[dict[str, Any]]:
    """The defaults, and every setting at each of its other values."""
    own = settings_of(recipes[name].Params, RecipeParams)
    return [{}] + [{setting: value} for setting in own for value in other_values(recipes[name].Params, setting)]


def draws_something(name: str) -> bool:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    build(name)(random_images(), generator)
    return not torch.equal(before, generator.get_state())


def skip_unless_it_draws(name: str) -> None:
    if not draws_something(name):
        pytest.skip(f"{name} takes nothing from the generator: all its views of an image are one")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_view_keeps_the_shape_lies_between_0_and_1_and_leaves_the_images_alone(recipe: str, shape: Shape) -> None:
    images = random_images(shape)
    before = images.clone()
    for params in variants(recipe):
        seen = view(recipe, images, **params)
        assert seen.shape == images.shape, params
        assert seen.dtype == torch.float32, params
        assert seen.min() >= 0, params
        assert seen.max() <= 1, params
        assert torch.equal(images, before), params


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("recipe", RECIPES)
def test_images_of_one_shade_give_finite_views_between_0_and_1(recipe: str, value: int) -> None:
    for params in variants(recipe):
        seen = view(recipe, torch.full((8, 3, 32, 32), value, dtype=torch.uint8), **params)
        assert torch.isfinite(seen).all(), params
        assert seen.min() >= 0, params
        assert seen.max() <= 1, params


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_view_follows_from_the_generator_alone(recipe: str) -> None:
    images = random_images()
    for params in variants(recipe):
        torch.manual_seed(1)
        np.random.seed(1)
        first = view(recipe, images, **params)
        torch.manual_seed(2)
        np.random.seed(2)
        assert torch.equal(view(recipe, images, **params), first), params


@pytest.mark.parametrize("recipe", RECIPES)
def test_another_step_gives_another_view(recipe: str) -> None:
    skip_unless_it_draws(recipe)
    images = random_images()
    assert not torch.equal(view(recipe, images, seed=1), view(recipe, images, seed=2))


@pytest.mark.parametrize("recipe", RECIPES)
def test_copies_of_one_image_get_different_views_in_one_batch(recipe: str) -> None:
    skip_unless_it_draws(recipe)
    copies = random_images((1, 3, 32, 32)).expand(64, -1, -1, -1).contiguous()
    assert len(np.unique(view(recipe, copies, symmetries=NONE).flatten(1).numpy(), axis=0)) > 32


@pytest.mark.parametrize("recipe", RECIPES)
def test_as_much_chance_is_used_whatever_the_images_show_and_however_often_they_are_mirrored(recipe: str) -> None:
    after = []
    for images, symmetries in ((random_images(), FLIP), (random_images(seed=1), NONE)):
        generator = torch.Generator().manual_seed(9)
        build(recipe, 3, symmetries)(images, generator)
        after.append(generator.get_state())
    assert torch.equal(after[0], after[1])


@pytest.mark.parametrize("recipe", RECIPES)
def test_deterministic_algorithms_refuse_nothing_and_change_nothing(recipe: str) -> None:
    images = random_images()
    for params in variants(recipe):
        relaxed = view(recipe, images, **params)
        torch.use_deterministic_algorithms(True)
        try:
            strict = view(recipe, images, **params)
        finally:
            torch.use_deterministic_algorithms(False)
        assert torch.equal(relaxed, strict), params


@pytest.mark.parametrize(("recipe", "setting"), SETTINGS)
def test_each_setting_changes_the_view_or_is_refused(recipe: str, setting: str) -> None:
    values = other_values(recipes[recipe].Params, setting)
    assert values, "a setting that can have one value only is none"
    # Large enough for a setting that says "from 64 pixels on", in color, of a kind that may be mirrored.
    images = random_images((16, 3, 64, 64))
    usual = view(recipe, images)
    assert any(not torch.equal(view(recipe, images, **{setting: value}), usual) for value in values), values


def share_on_the_right(seen: Tensor) -> float:
    """Of views of images whose left half alone is textured, the share whose right half has more texture: colors may
    change and the image may be moved or turned a little, but only a mirror exchanges the halves.
    """
    texture = seen.diff(dim=2).abs().mean((1, 2))  # [B, W]
    left, right = texture[:, : seen.shape[3] // 2].sum(1), texture[:, (seen.shape[3] + 1) // 2 :].sum(1)
    return float((right > left).float().mean())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("recipe", RECIPES)
def test_images_are_mirrored_only_where_that_keeps_their_meaning(recipe: str, channels: int) -> None:
    images = torch.full((1000, channels, 32, 32), 128, dtype=torch.uint8)
    images[..., :16] = random_images((1000, channels, 32, 16))
    assert share_on_the_right(images.float()) == 0
    assert share_on_the_right(images.float().flip(3)) == 1
    without, with_flip = (share_on_the_right(view(recipe, images, symmetries=kind)) for kind in (NONE, FLIP))
    assert without < 0.15  # a turn by 30 degrees, a square or a window over the texture: not half of the views
    if "flip" not in recipes[recipe].Params.model_fields:
        pytest.skip(f"{recipe} has no setting that mirrors")
    assert with_flip == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("recipe", RECIPES)
def test_people_are_told_what_each_setting_does(recipe: str) -> None:
    assert recipes[recipe].__doc__
    for setting in settings_of(recipes[recipe].Params, RecipeParams):
        assert recipes[recipe].Params.model_fields[setting].description, setting
