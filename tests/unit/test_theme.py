"""Colors that everybody can tell apart, and numbers written the same way everywhere."""

from __future__ import annotations

import itertools
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ui.figures.compare import ACCURACY_SCALE
from ui.figures.space import CONFIDENCE_SCALE
from ui.style import colors, formatting
from ui.style.theme import INK

Color = npt.NDArray[np.float64]

# What the eye without one kind of cone sees, on linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def linear(color: str) -> Color:
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def oklab(rgb: Color) -> Color:
    """Björn Ottosson's OKLab of linear RGB: distances in it are roughly what an eye calls different; 0.02 is just
    visible.
    """
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.793617785, -0.0040720468],
            [1.9779984951, -2.428592205, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.808675766],
        ]
    )
    return np.asarray(to_lab @ np.cbrt(cones @ np.clip(rgb, 0, 1)))


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) + 0.05 for color in (one, other))
    return high / low


def distance(one: str, other: str, sight: str) -> float:
    return float(np.linalg.norm(oklab(SIGHTS[sight] @ linear(one)) - oklab(SIGHTS[sight] @ linear(other))))


THEMES = tomllib.loads((Path(__file__).parents[2] / ".streamlit" / "config.toml").read_text())["theme"]
GROUNDS = {theme: THEMES[theme]["backgroundColor"] for theme in ("light", "dark")}


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("theme", [0, 1], ids=list(GROUNDS))
def test_no_two_of_the_ten_class_colors_look_alike(theme: int, sight: str) -> None:
    shown = [colors.BY_THEME[name][theme] for name in colors.CLASS_COLORS]
    closest = min(distance(one, other, sight) for one, other in itertools.combinations(shown, 2))
    # Tritanopia: one person in 10,000; the others: one man in 12.
    assert closest > (0.065 if sight == "tritanopia" else 0.095)


@pytest.mark.parametrize("sight", SIGHTS)
def test_right_wrong_and_unknown_differ_for_every_kind_of_sight(sight: str) -> None:
    for one, other in itertools.combinations([colors.RIGHT, colors.WRONG, colors.UNKNOWN], 2):
        assert distance(one, other, sight) > 0.08


@pytest.mark.parametrize("theme", [0, 1], ids=list(GROUNDS))
def test_every_color_has_three_to_one_against_the_ground_of_its_theme(theme: int) -> None:
    ground = list(GROUNDS.values())[theme]
    for color in [
        *(colors.BY_THEME[name][theme] for name in colors.CLASS_COLORS),
        *(colors.class_color(index) for index in range(10, 1000)),
        *(color for color, _ in colors.METRIC_STROKES.values()),
        colors.RIGHT,
        colors.WRONG,
        colors.UNKNOWN,
        colors.MUTED,
        colors.GREEN,
        colors.PURPLE,
    ]:
        assert contrast(color, ground) >= 3, color


@pytest.mark.parametrize("theme", list(GROUNDS))
def test_small_print_in_drawings_can_be_read(theme: str) -> None:
    assert contrast(INK[theme], GROUNDS[theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=list(GROUNDS))
@pytest.mark.parametrize("ends", [ACCURACY_SCALE, CONFIDENCE_SCALE], ids=["accuracy", "confidence"])
def test_a_scale_of_colors_stands_out_and_is_read_by_lightness_alone(ends: list[list[Any]], theme: int) -> None:
    assert [place for place, _ in ends] == [0, 1]
    low, high = (
        np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
        for color in (colors.BY_THEME[name][theme] for _, name in ends)
    )
    between = [low + (high - low) * share for share in np.linspace(0, 1, 21)]
    shown = [
        f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in (np.round(mixed).astype(int) for mixed in between)
    ]
    ground = list(GROUNDS.values())[theme]
    assert min(contrast(color, ground) for color in shown) >= 3
    lightness = np.array([oklab(linear(color))[0] for color in shown])
    rising = lightness if lightness[-1] > lightness[0] else lightness[::-1]
    assert rising[-1] - rising[0] > 0.15
    assert (np.maximum.accumulate(rising) - rising).max() < 0.02, "visibly back"


def test_the_color_of_what_is_pressed_can_be_read() -> None:
    """Its words are white on light ground, and dark on dark ground."""
    assert contrast(THEMES["light"]["primaryColor"], "#FFFFFF") >= 4.5
    assert contrast(THEMES["dark"]["primaryColor"], GROUNDS["dark"]) >= 4.5


def test_a_hundred_classes_have_a_hundred_colors_and_neighbors_differ_visibly() -> None:
    shades = [colors.class_color(index) for index in range(100)]
    assert shades[:10] == list(colors.CLASS_COLORS)
    assert len(set(shades)) == 100
    assert all(len(color) == 7 and color.startswith("#") for color in shades)
    assert min(distance(one, other, "normal") for one, other in itertools.pairwise(shades)) > 0.1


def test_an_unknown_class_is_grey() -> None:
    assert colors.class_color(-1) == colors.UNKNOWN


def test_a_metric_keeps_its_stroke_in_every_figure_and_one_that_nobody_colored_gets_one_of_its_own() -> None:
    assert colors.metric_strokes(["test/accuracy"])["test/accuracy"] == (colors.RIGHT, "solid")
    strokes = colors.metric_strokes(["test/accuracy", "my/metric", "mask_rate", "my/other"])
    assert strokes["test/accuracy"] == (colors.RIGHT, "solid")
    assert strokes["mask_rate"] == (colors.PURPLE, "solid")
    assert len(set(strokes.values())) == 4
    assert {strokes["my/metric"][0], strokes["my/other"][0]} == {colors.WRONG, colors.GREEN}


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.9423, "94.2 %"), (0, "0.0 %"), (1, "100.0 %"), (-0.0001, "0.0 %"), (None, "–"), (float("nan"), "–")],
)
def test_a_share_is_a_percentage_with_one_decimal(share: float | None, text: str) -> None:
    assert formatting.percent(share) == text


@pytest.mark.parametrize(
    ("difference", "text"), [(0.131, "+13.1"), (-0.02, "-2.0"), (0, "+0.0"), (-0.0001, "+0.0"), (None, "–")]
)
def test_a_difference_is_in_points_and_always_signed(difference: float | None, text: str) -> None:
    assert formatting.points(difference) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (0.01, "0.1 s"),
        (0.97, "1 s"),
        (7.4, "7 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (180, "3 min"),
        (3599.6, "1 h"),
        (3900, "1 h 5 min"),
        (86400, "1 d"),
        (200_000, "2 d 7 h"),
        (float("inf"), "–"),
        (None, "–"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float | None, text: str) -> None:
    assert formatting.duration(seconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (9312.7, "9,300 img/s"),
        (99_500, "100,000 img/s"),
        (127, "130 img/s"),
        (10, "10 img/s"),
        (3.14, "3.1 img/s"),
        (0, "0.0 img/s"),
        (None, "–"),
    ],
)
def test_a_speed_has_two_digits(rate: float | None, text: str) -> None:
    assert formatting.speed(rate) == text


@pytest.mark.parametrize(("number", "text"), [(1437, "1,437"), (0, "0"), (None, "–")])
def test_a_count_has_thousands_separators(number: int | None, text: str) -> None:
    assert formatting.count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_230_000, "1.2 MB"), (999_960, "1.0 MB"), (5e9, "5.0 GB"), (None, "–")],
)
def test_a_size_has_its_unit(number: int | None, text: str) -> None:
    assert formatting.size(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (2.5, "2.50"),
        (12345.6, "12,300"),
        (0, "0"),
        (1e-7, "1.00e-07"),
        (-0.5, "-0.500"),
        (None, "–"),
    ],
)
def test_a_loss_has_three_digits(value: float | None, text: str) -> None:
    assert formatting.decimal(value) == text


def test_a_date_reads_the_same_from_a_datetime_and_from_seconds() -> None:
    moment = datetime(2025, 11, 21, 6, 4).astimezone()
    assert formatting.date(moment) == formatting.date(moment.timestamp()) == "21 Nov 2025, 06:04"
    assert formatting.date(None) == "–"
