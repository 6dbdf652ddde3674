"""The view recipes: what comes out of plain, weak and strong, whatever torchvision thinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.augment.ops.affine import warp
from engine.augment.ops.color import recolor
from engine.augment.ops.color_matrix import LEFT_OUT, recolor_folded
from engine.augment.ops.crop import Crop, flip_and_crop
from engine.augment.ops.cutout import Hole, cut_out
from engine.augment.ops.operation_plan import CODE, KNOWN, OPERATIONS, Plan
from engine.augment.recipes.recipe import Recipe
from engine.augment.recipes.strong import Draw, Strong
from engine.errors import ConfigError
from engine.registry import recipes

FLIP = frozenset({"flip"})
Shape = tuple[int, int, int, int]


def make_images(shape: Shape = (64, 3, 12, 12), seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def recipe(name: str, symmetries: frozenset[str] = FLIP, channels: int = 3, **params: Any) -> Recipe:
    cls = recipes[name]
    made: Recipe = cls(cls.Params(**params), symmetries, channels)
    return made


def strong(channels: int = 3, symmetries: frozenset[str] = FLIP, **params: Any) -> Strong:
    return Strong(Strong.Params(**params), symmetries, channels)


def view(name: str, images: Tensor, seed: int = 0, symmetries: frozenset[str] = FLIP, **params: Any) -> Tensor:
    return recipe(name, symmetries, images.shape[1], **params)(images, torch.Generator().manual_seed(seed))


def drawn_names(made: Strong, size: int = 16, batch: int = 4000) -> set[str]:
    plan = made.draw(batch, size, size, torch.Generator().manual_seed(0)).plan
    return {KNOWN[code] for code in np.unique(plan.operations)}


def test_plain_is_the_image_over_255() -> None:
    images = torch.tensor([0, 51, 255, 1], dtype=torch.uint8).view(1, 1, 2, 2)
    assert view("plain", images).flatten().tolist() == pytest.approx([0, 0.2, 1, 1 / 255])


# --- flip and shift ---


def test_a_crop_equals_a_slow_loop_over_the_reflected_image() -> None:
    images = make_images((40, 3, 5, 7))
    random = np.random.default_rng(0)
    crop = Crop(random.integers(-2, 3, 40), random.integers(-3, 4, 40), random.random(40) < 0.5)

    def reflected(place: int, side: int) -> int:
        if place < 0:
            return -place
        return 2 * (side - 1) - place if place >= side else place

    expected = torch.empty_like(images)
    for b in range(40):
        for i in range(5):
            for j in range(7):
                row, column = reflected(i + int(crop.down[b]), 5), reflected(j + int(crop.right[b]), 7)
                expected[b, :, i, j] = images[b, :, row, 6 - column if crop.flip[b] else column]
    assert torch.equal(flip_and_crop(images, crop), expected)


def test_shifts_reach_every_whole_pixel_up_to_the_share_and_no_further() -> None:
    column = torch.arange(16, dtype=torch.uint8).expand(3000, 1, 16, 16).contiguous()  # each pixel says its column
    middles = (view("weak", column, flip="off", translate=0.125)[:, 0, 8, 8] * 255).round().int() - 8
    values, counts = np.unique(middles.numpy(), return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert counts.min() > 500  # of 3000 / 5 = 600 expected, standard deviation 22


@pytest.mark.parametrize("name", ["weak", "strong"])
@pytest.mark.parametrize(
    ("flip", "symmetries", "share"),
    [("auto", FLIP, 0.5), ("auto", frozenset(), 0), ("on", frozenset(), 0.5), ("off", FLIP, 0)],
)
def test_images_are_mirrored_only_where_that_keeps_their_meaning(
    name: str, flip: str, symmetries: frozenset[str], share: float
) -> None:
    images = make_images((1000, 1, 6, 6))
    still: dict[str, Any] = {
        "translate": 0,
        "flip": flip,
        **({"policy": "none", "cutout": 0} if name == "strong" else {}),
    }
    seen = view(name, images, symmetries=symmetries, **still)
    mirrored = (seen == images.flip(3) / 255).flatten(1).all(1)
    kept = (seen == images / 255).flatten(1).all(1)
    assert (mirrored | kept).all()
    assert mirrored.float().mean() == pytest.approx(share, abs=0.06)  # standard deviation 0.016


# --- operations ---


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"auto_contrast", "equalize"}))
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_magnitude_0_changes_nothing(name: str, interpolation: str) -> None:
    images = make_images()
    others = tuple(set(OPERATIONS) - {name})
    assert torch.equal(
        view(
            "strong",
            images,
            without=others,
            magnitude=0,
            cutout=0,
            translate=0,
            flip="off",
            interpolation=interpolation,
        ),
        images / 255,
    )


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - {"identity"}))
def test_each_operation_changes_images_at_full_magnitude(name: str) -> None:
    # Neither black nor white, so that auto_contrast has something to do.
    images = make_images((64, 3, 24, 24)) // 2 + 40
    seen = view("strong", images, without=tuple(set(OPERATIONS) - {name}), cutout=0, translate=0, flip="off")
    assert (seen != images / 255).flatten(1).any(1).float().mean() > 0.9


def test_amounts_fill_the_papers_ranges() -> None:
    plan = strong(rotate=30, shear=0.3, shift=0.3).draw(20_000, 20, 40, torch.Generator().manual_seed(0)).plan
    bounds = {
        **dict.fromkeys(("brightness", "contrast", "color", "sharpness"), (0.05, 0.95)),
        "posterize": (4, 7),
        "solarize": (0, 256),
        "rotate": (-30, 30),
        "shear_x": (-0.3, 0.3),
        "shear_y": (-0.3, 0.3),
        "translate_x": (-12, 12),
        "translate_y": (-6, 6),
    }
    for name, (low, high) in bounds.items():
        amounts = plan.amounts[plan.operations == CODE[name]]
        assert amounts.min() == pytest.approx(low, abs=0.01 * (high - low))
        assert amounts.max() == pytest.approx(high, abs=0.01 * (high - low))
        assert amounts.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


def test_half_the_magnitude_goes_half_as_far() -> None:
    chance = torch.Generator().manual_seed(0)
    full = strong().draw(1000, 12, 12, chance).plan
    half = strong(magnitude=5).draw(1000, 12, 12, torch.Generator().manual_seed(0)).plan
    assert (full.operations == half.operations).all()
    turned = full.operations == CODE["rotate"]
    assert half.amounts[turned] == pytest.approx(full.amounts[turned] / 2)
    darkened = full.operations == CODE["brightness"]
    assert 1 - half.amounts[darkened] == pytest.approx((1 - full.amounts[darkened]) / 2)


def test_all_14_operations_are_drawn_about_equally_often() -> None:
    plan = strong().draw(14_000, 16, 16, torch.Generator().manual_seed(0)).plan
    counts = np.bincount(plan.operations.ravel(), minlength=len(KNOWN))[[CODE[name] for name in OPERATIONS]]
    assert len(counts) == 14
    assert (abs(counts - 2000) < 200).all()  # standard deviation 43


def test_operations_that_can_do_nothing_are_not_drawn_color_for_grey_images_and_equalize_below_256_pixels() -> None:
    assert drawn_names(strong(channels=1)) == set(OPERATIONS) - {"color"}
    assert drawn_names(strong(), size=15) == set(OPERATIONS) - {"equalize"}
    tiny = make_images((8, 3, 15, 15))
    assert torch.equal(recolor(tiny, Plan(np.full((8, 1), CODE["equalize"]), np.zeros((8, 1)))), tiny)


def test_operations_left_out_are_never_drawn_and_identity_does_not_take_their_place() -> None:
    assert drawn_names(strong(without=("solarize", "identity"))) == set(OPERATIONS) - {"solarize", "identity"}
    assert drawn_names(strong(color="folded")) == set(OPERATIONS) - set(LEFT_OUT)


def test_an_unknown_operation_in_without_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError) as refused:
        Strong.Params.model_validate({"without": ("solarise",)})
    known = (
        "auto_contrast, brightness, color, contrast, equalize, identity, posterize, rotate, sharpness, shear_x,"
        " shear_y, solarize, translate_x, translate_y"
    )
    assert str(refused.value) == f"without names 'solarise', which is no operation: choose among {known}."


@pytest.mark.parametrize("params", [{"policy": "none"}, {"operations": 0}, {"without": OPERATIONS}])
def test_without_operations_a_strong_view_is_a_weak_one_with_a_square(params: dict[str, Any]) -> None:
    images = make_images()
    bare = view("strong", images, cutout=0, **params)
    assert torch.equal(bare, view("strong", images, cutout=0, policy="none", color="folded"))
    made = strong(**params)
    draw = made.draw(64, 12, 12, torch.Generator().manual_seed(3))
    assert torch.equal(made.apply(images, draw), cut_out(flip_and_crop(images, draw.crop), draw.hole) / 255)


def test_a_sample_is_worked_on_alone() -> None:
    images, made = make_images(), strong(operations=3)
    draw = made.draw(64, 12, 12, torch.Generator().manual_seed(0))
    together = made.apply(images, draw)
    for row in range(64):
        one = slice(row, row + 1)
        crop = Crop(draw.crop.down[one], draw.crop.right[one], draw.crop.flip[one])
        alone = Draw(
            crop,
            Plan(draw.plan.operations[one], draw.plan.amounts[one]),
            Hole(draw.hole.top[one], draw.hole.left[one], draw.hole.side),
        )
        assert torch.equal(made.apply(images[one], alone)[0], together[row])


def test_a_turned_corner_comes_in_black() -> None:
    white = torch.full((1, 1, 9, 9), 255, dtype=torch.uint8)
    turned = warp(white, Plan(np.array([[CODE["rotate"]]]), np.array([[45.0]])), "nearest")
    assert turned[0, 0, 0, 0] == 0
    assert turned[0, 0, 4, 4] == 255


def test_a_quarter_turn_is_counterclockwise() -> None:
    image = torch.tensor([[1, 2], [3, 4]], dtype=torch.uint8).view(1, 1, 2, 2)
    assert warp(image, Plan(np.array([[CODE["rotate"]]]), np.array([[90.0]])), "nearest").flatten().tolist() == [
        2,
        4,
        1,
        3,
    ]


def test_color_does_nothing_to_grey_images() -> None:
    images = make_images((8, 1, 12, 12))
    plan = Plan(np.full((8, 1), CODE["color"]), np.full((8, 1), 0.3))
    assert torch.equal(recolor(images, plan), images)


def test_a_folded_plan_refuses_what_no_matrix_can_do() -> None:
    with pytest.raises(
        ValueError, match="sharpness, posterize, solarize, equalize, hue cannot be folded into a matrix"
    ):
        recolor_folded(make_images((1, 3, 8, 8)), Plan(np.array([[CODE["equalize"]]]), np.zeros((1, 1))))


# --- cutout ---


def test_a_square_inside_has_its_whole_area_and_one_at_the_corner_a_quarter() -> None:
    black = torch.zeros((2, 3, 10, 12), dtype=torch.uint8)
    cut = cut_out(black, Hole(np.array([3, -2]), np.array([5, -2]), 4))
    assert (cut == 127).sum((2, 3)).tolist() == [[16, 16, 16], [4, 4, 4]]
    assert (cut[0, :, 3:7, 5:9] == 127).all()
    assert (cut[1, :, :2, :2] == 127).all()


def test_the_square_is_always_cut_half_as_long_as_the_shorter_side_and_its_centre_may_be_any_pixel() -> None:
    seen = view("strong", torch.zeros((4000, 1, 8, 12), dtype=torch.uint8), policy="none")
    area = (seen > 0).flatten(1).sum(1)
    assert area.min() == 4  # centre in the top left pixel: two of four rows, two of four columns
    assert area.max() == 16
    assert set(np.unique(seen.numpy())) == {np.float32(0), np.float32(127) / np.float32(255)}
    covered = (seen > 0).float().mean(0)[0]
    assert (covered > 0).all()
