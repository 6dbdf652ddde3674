"""What import does to an image, Predict does; and a figure on paper is read as the set's own figures are."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import save_file

from engine import Predictor, RunConfig, train
from engine.images.figure import FigureStyle, fit_to_figures
from engine.images.preparation import Preparation
from engine.lab.prediction_messages import Predict
from engine.lab.workers.prediction_requests import predict
from engine.runs.store import Run
from engine.training.assemble import load_images
from tests.fixtures_images import encoded, folder_of

PIXELS = {"method": {"name": "linear_probe"}, "backbone": {"name": "pixels"}}
Pixels = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def on_a_folder(files: dict[str, bytes], root: Path, **settings: Any) -> Run:
    data = {"name": "folder", "path": str(folder_of(root / "set", files)), "size": 12, "labels": {"kind": "all"}}
    return train({**PIXELS, "data": {**data, **settings}, "budget": {"steps": 1}}, root / "runs")


def through_predict(run: Run, files: list[tuple[str, bytes]]) -> tuple[Pixels, NDArray[np.float32]]:
    """What the network is given of each file, and its answers before calibration."""
    predictor = Predictor(run.folder)
    seen = np.stack([one.seen for one in predictor.predict([predictor.read(data, name) for name, data in files])])
    return seen, predictor.probabilities(seen)


def test_bright_images_of_a_dark_set_are_not_turned_inside_out(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    files = {f"night/{i:02d}.png": encoded(random.integers(0, 41, (24, 24))) for i in range(60)}
    files |= {f"day/{i:02d}.png": encoded(random.integers(215, 256, (24, 24))) for i in range(20)}
    run = on_a_folder(files, tmp_path, size=24)
    assert run.status.metrics["test/accuracy"] == 1
    predictor = Predictor(run.folder)
    for name, data in files.items():
        (answer,) = predictor.predict([predictor.read(data, name)])
        assert predictor.top(answer)[0]["class"] == name.split("/")[0], name
        assert not answer.inverted


NOISE = np.random.default_rng(1)
SETS: dict[str, Callable[[int], bytes]] = {
    "grey": lambda i: encoded(NOISE.integers(0, 256, (20 + i, 30))),
    "grey stored as color": lambda i: encoded(np.repeat(NOISE.integers(0, 256, (20, 30 + i, 1)), 3, axis=2)),
    "color": lambda i: encoded(NOISE.integers(0, 256, (30, 20 + i, 3))),
    "grey and color": lambda i: encoded(NOISE.integers(0, 256, (20, 30, 3) if i % 2 else (20, 30))),
    "large photos": lambda i: encoded(
        np.asarray(Image.fromarray(NOISE.integers(0, 256, (9, 12, 3), np.uint8)).resize((400, 300 + i))), "JPEG"
    ),
}


@pytest.mark.parametrize(
    ("kind", "fit", "color"),
    [
        *itertools.product(SETS, ("crop", "pad", "squash"), ("auto",)),
        ("grey and color", "pad", "grey"),
        ("grey and color", "pad", "rgb"),
    ],
)
def test_each_image_of_a_folder_is_seen_by_predict_as_by_the_run(
    kind: str, fit: str, color: str, tmp_path: Path
) -> None:
    files = {f"{name}/{i}.img": SETS[kind](i) for name in "ab" for i in range(10)}
    run = on_a_folder(files, tmp_path, fit=fit, color=color)
    images = load_images(RunConfig.parse(run.config))
    seen, probabilities = through_predict(run, list(files.items()))
    np.testing.assert_array_equal(seen, images.images)
    arrays = run.folder.snapshot(run.status.step)
    np.testing.assert_allclose(probabilities[arrays["ids"]], arrays["probabilities"], atol=1e-3)  # kept in 16 bits


@pytest.mark.parametrize(("name", "every"), [("digits", 1), ("noise", 10), ("shapes", 20)])
def test_each_image_of_a_set_saved_as_a_file_is_seen_as_it_is(name: str, every: int, tmp_path: Path) -> None:
    run = train({**PIXELS, "data": {"name": name, "labels": {"kind": "few"}}, "budget": {"steps": 1}}, tmp_path)
    images = load_images(RunConfig.parse(run.config)).images[::every]
    files = [(f"{i}.png", encoded(np.squeeze(image.transpose(1, 2, 0)))) for i, image in enumerate(images)]
    seen, _ = through_predict(run, files)
    np.testing.assert_array_equal(seen, images)


# Figures on paper


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Predictor]:
    config = {
        "method": {"name": "supervised"},
        "data": {"name": "digits", "labels": {"kind": "all"}},
        "budget": {"steps": 300},
    }
    run = train(config, tmp_path_factory.mktemp("digits"))
    assert run.status.metrics["test/accuracy"] > 0.95
    return run, Predictor(run.folder)


def arc(x: float, y: float, a: float, b: float, start: float, end: float) -> list[tuple[float, float]]:
    return [(x + a * np.cos(t), y + b * np.sin(t)) for t in np.radians(np.linspace(start, end, 24))]


# As one writes them, in a box 0.62 wide and 1 high.
STROKES: tuple[list[list[tuple[float, float]]], ...] = (
    [arc(0.3, 0.5, 0.3, 0.5, 0, 360)],
    [[(0.1, 0.25), (0.35, 0), (0.35, 1)]],
    [[*arc(0.3, 0.27, 0.28, 0.27, 180, 380), (0.02, 1), (0.62, 1)]],
    [arc(0.28, 0.25, 0.28, 0.25, 200, 450) + arc(0.28, 0.74, 0.3, 0.26, -90, 160)],
    [[(0.4, 0), (0, 0.65), (0.65, 0.65)], [(0.45, 0.4), (0.45, 1)]],
    [[(0.6, 0), (0.1, 0), (0.06, 0.45), *arc(0.28, 0.7, 0.3, 0.3, -130, 140)]],
    [[(0.25, 0), (0.06, 0.45), (0.02, 0.72)], arc(0.3, 0.72, 0.28, 0.28, 180, 540)],
    [[(0, 0), (0.6, 0), (0.2, 1)], [(0.1, 0.5), (0.55, 0.5)]],
    [arc(0.3, 0.24, 0.24, 0.24, 90, 450), arc(0.3, 0.74, 0.3, 0.26, -90, 270)],
    [arc(0.3, 0.28, 0.28, 0.28, 0, 360), [(0.58, 0.28), (0.5, 1)]],
)
# pixels, stroke as a share of the height, margin as a share of the side, dark on light: one line for two digits
DRAWN = (
    (8, 0.12, 0.0, True),
    (8, 0.15, 0.12, False),
    (12, 0.1, 0.1, True),
    (20, 0.14, 0.2, False),
    (28, 0.08, 0.0, True),
    (64, 0.15, 0.3, True),
    (150, 0.03, 0.1, False),
    (400, 0.12, 0.25, True),
    (900, 0.02, 0.35, True),
    (2000, 0.14, 0.05, False),
)


def written(digit: int, side: int, stroke: float, margin: float, dark: bool) -> Pixels:
    """A digit drawn by Pillow, uint8 [side, side, 1]."""
    fine = side * max(1, 400 // side)
    canvas = Image.new("L", (fine, fine), 255 if dark else 0)
    pen, draw = 0 if dark else 255, ImageDraw.Draw(canvas)
    width = max(1, round(stroke * fine * (1 - 2 * margin)))
    height = fine * (1 - 2 * margin) - width
    left, top = (fine - 0.62 * height) / 2, margin * fine + width / 2
    for line in STROKES[digit]:
        points = [(left + x * height, top + y * height) for x, y in line]
        draw.line(points, pen, width, joint="curve")
        for x, y in points:
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=pen)
    return np.asarray(canvas.resize((side, side), Image.Resampling.BOX))[:, :, None]


@pytest.mark.slow
def test_digits_drawn_large_and_small_thin_and_thick_are_read_at_the_sets_own_rate(
    digits: tuple[Run, Predictor],
) -> None:
    run, predictor = digits
    truth = [digit for i in range(10) for digit in (i, (3 * i + 1) % 10)]
    drawn = [written(digit, *DRAWN[i // 2]) for i, digit in enumerate(truth)]
    answers = [int(answer.probabilities.argmax()) for answer in predictor.predict(drawn)]
    wrong = [
        (digit, answer, DRAWN[i // 2])
        for i, (digit, answer) in enumerate(zip(truth, answers, strict=True))
        if digit != answer
    ]
    assert 1 - len(wrong) / len(truth) >= run.status.metrics["test/accuracy"] - 0.05, wrong


@pytest.mark.parametrize(("side", "margin"), [(16, 0), (40, 8), (300, 90)])
def test_the_sets_own_digits_on_a_sheet_of_paper_are_read_at_its_own_rate(
    side: int, margin: int, digits: tuple[Run, Predictor]
) -> None:
    run, predictor = digits
    images, test = load_images(RunConfig.parse(run.config)), run.folder.split()["test"]
    papers = [
        255 - np.pad(np.asarray(Image.fromarray(image[0]).resize((side, side), Image.Resampling.BICUBIC)), margin)
        for image in images.images[test]
    ]
    answers = predictor.predict([paper[:, :, None] for paper in papers])
    right = np.mean([answer.probabilities.argmax() for answer in answers] == images.labels[test])
    assert right >= run.status.metrics["test/accuracy"] - 0.05
    assert all(answer.inverted and answer.cropped for answer in answers)
    # As it is, the same sheet is what it was: white.
    assert np.mean([one.seen.mean() for one in predictor.predict([papers[0][:, :, None]], as_it_is=True)]) > 127


def test_a_model_file_of_before_says_by_its_data_set_how_figures_are_drawn(digits: tuple[Run, Predictor]) -> None:
    from engine.predictor import _figures

    run, predictor = digits
    about = run.folder.model_about()
    assert predictor.preparation.figures == FigureStyle(**about["figures"])
    assert _figures({"config": about["config"]}) == predictor.preparation.figures


def test_clothes_of_a_size_of_their_own_are_cut_out_and_those_of_the_set_are_left_alone() -> None:
    style = FigureStyle(1.0, True)
    bag = np.full((28, 28, 1), 200, np.uint8)  # hides all of its ground
    bag[:2, :10] = 0
    assert (fit_to_figures(bag, 28, 1, style).pixels[0] == bag[:, :, 0]).all()
    sheet = np.full((100, 80, 1), 255, np.uint8)
    sheet[30:70, 20:60] = 40
    fitted = fit_to_figures(sheet, 28, 1, style)
    assert (fitted.inverted, fitted.cropped) == (True, True)
    assert fitted.pixels.min() > 200


def test_an_empty_sheet_gets_the_ground_of_the_set() -> None:
    style = FigureStyle(1.0, True, 0.19)
    sheet = fit_to_figures(np.full((40, 30, 3), 255, np.uint8), 8, 1, style)
    assert (int(sheet.pixels.max()), sheet.inverted, sheet.cropped) == (0, True, False)


@pytest.mark.parametrize("style", [FigureStyle(1.0, dark_ground=True, stroke=0.19), None], ids=["figures", "photos"])
def test_a_large_photo_is_read_in_full_where_a_thin_stroke_matters(style: FigureStyle | None) -> None:
    """A JPEG can be decoded at an eighth of its size, which is quicker and spreads a hair over its ground."""
    sheet = np.full((1_600, 1_600), 250, np.uint8)
    sheet[:, 800:802] = 10
    seen = Preparation(8, 1, "pad", "auto", style).read(encoded(sheet, "JPEG"))
    assert seen.shape[:2] == ((1_600, 1_600) if style else (200, 200))
    assert (seen.min() < 60) == (style is not None)


def test_a_hair_on_a_large_sheet_is_found_where_it_lies() -> None:
    sheet = np.full((1500, 1000, 1), 230, np.uint8)
    sheet[200:900, 700] = 20
    fitted = fit_to_figures(sheet, 8, 1, FigureStyle(1.0, True, 0.19)).pixels[0]
    assert fitted.any(axis=1).all()  # from top to bottom
    assert int(fitted.any(axis=0).sum()) <= 2
    assert int(fitted.max()) > 150


# Confidence


def test_predict_answers_with_calibrated_confidence_and_the_same_classes(digits: tuple[Run, Predictor]) -> None:
    run, predictor = digits
    assert predictor.temperature is not None
    images = load_images(RunConfig.parse(run.config)).images[:200]
    raw = predictor.probabilities(images).astype(np.float64)
    answers = np.stack([answer.probabilities for answer in predictor.predict([i.transpose(1, 2, 0) for i in images])])
    powers = raw ** (1 / predictor.temperature)
    np.testing.assert_allclose(answers, powers / powers.sum(1, keepdims=True), atol=1e-4)
    assert (answers.argmax(1) == raw.argmax(1)).all()
    assert not np.allclose(answers, raw, atol=1e-3)


def test_a_model_that_is_written_anew_answers_from_then_on(tmp_path: Path) -> None:
    """As it is when a stopped run goes on to its end."""
    run = on_a_folder(
        {f"{name}/{i}.png": encoded(np.full((12, 12), 9 * i)) for name in "ab" for i in range(6)}, tmp_path
    )
    question = Predict(str(run.folder.path), (("one.png", encoded(np.full((12, 12), 70))),))
    predict(question)
    for answer, bias in (("a", [9.0, -9.0]), ("b", [-9.0, 9.0])):
        with safe_open(run.folder.model_file, "pt") as file:
            tensors, about = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
        tensors["head.weight"].zero_()
        tensors["head.bias"].copy_(torch.tensor(bias))
        save_file(tensors, run.folder.model_file, about)
        assert predict(question).images[0].top[0][0] == answer
