"""A part that was marked in a photo is answered as a file would be that holds just those pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from engine import train
from engine.images.part import Part
from engine.lab.prediction_messages import ImagePrediction, Predict, ShowImage
from engine.lab.workers.prediction_requests import predict, show_image
from engine.runs.store import Run
from tests.fixtures_images import encoded, folder_of


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("marked")
    random = np.random.default_rng(0)
    files = {
        f"{name}/{i}.png": encoded(random.integers(0, 120 + 60 * k, (20, 20, 3)))
        for k, name in enumerate("ab")
        for i in range(12)
    }
    data = {"name": "folder", "path": str(folder_of(root / "set", files)), "size": 16, "validation": 0.3}
    budget = {"steps": 4, "batch_size": 6, "evaluate_every": 4}
    return train({"method": {"name": "supervised"}, "data": data, "budget": budget}, root / "runs")


def photo(format: str, orientation: int = 1) -> bytes:
    """640 x 480 as it is stored, with structure at every scale."""
    random = np.random.default_rng(1)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8)).resize((640, 480))
    fine = random.integers(-60, 61, (480, 640, 3))
    pixels = (np.asarray(coarse) + fine).clip(0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, format, exif=exif)


def answer(run: Run, content: bytes, part: Part | None = None, as_it_is: bool = False) -> ImagePrediction:
    parts = () if part is None else (part,)
    (image,) = predict(Predict(str(run.folder.path), (("photo", content),), as_it_is, parts)).images
    return image


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_part_is_answered_as_a_file_that_holds_its_pixels(run: Run, format: str, orientation: int) -> None:
    content = photo(format, orientation)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert upright is not None
    assert upright.size == ((640, 480) if orientation == 1 else (480, 640))
    for part in (Part(100, 50, 133, 83), Part(7, 210, 301, 398), Part(0, 0, *upright.size)):
        alone = answer(run, encoded(np.asarray(upright.crop((part.left, part.top, part.right, part.bottom)))))
        got = answer(run, content, part)
        assert got.error is None
        assert got.seen is not None
        assert alone.seen is not None
        np.testing.assert_array_equal(got.seen, alone.seen)
        assert got.probabilities == alone.probabilities
        assert (got.neighbors, got.distance, got.thumbnail) == (alone.neighbors, alone.distance, alone.thumbnail)
    whole = answer(run, content)
    assert whole.probabilities != answer(run, content, Part(100, 50, 133, 83)).probabilities


def test_what_of_a_part_lies_outside_is_left_out(run: Run) -> None:
    content = photo("PNG")
    clamped = answer(run, content, Part(-40, 400, 90, 9_000))
    assert clamped.probabilities == answer(run, content, Part(0, 400, 90, 480)).probabilities


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (Part(10, 10, 11, 11), "The marked part of 'photo' has 1 x 1 pixels, but at least 4 x 4 are needed"),
        (Part(10, 10, 200, 13), "The marked part of 'photo' has 190 x 3 pixels"),
        (Part(639, 0, 900, 400), "The marked part of 'photo' has 1 x 400 pixels"),
        (Part(640, 0, 700, 400), "The marked part lies outside of 'photo', 640 x 480 pixels"),
        (Part(-9, -9, 0, 0), "The marked part lies outside"),
        (Part(50, 50, 20, 20), "The marked part lies outside"),
        (Part(-(10**30), 5, -(10**29), 50), "The marked part lies outside"),
    ],
)
def test_a_part_that_shows_nothing_is_refused_in_a_sentence(run: Run, part: Part, sentence: str) -> None:
    refused = answer(run, photo("PNG"), part)
    assert refused.error is not None
    assert refused.error.startswith(sentence)
    assert refused.probabilities == ()


def test_each_file_has_its_own_part_and_a_damaged_one_its_own_sentence(run: Run) -> None:
    files = (("a", photo("PNG")), ("b", photo("JPEG")), ("c", b"nothing"), ("d", photo("PNG")))
    part = Part(300, 200, 400, 260)
    answers = predict(Predict(str(run.folder.path), files, False, (None, None, part, part))).images
    assert answers[0].probabilities == answer(run, files[0][1]).probabilities
    assert answers[1].probabilities == answer(run, files[1][1]).probabilities
    assert answers[2].error is not None
    assert answers[3].probabilities == answer(run, files[3][1], part).probabilities


def test_what_is_shown_to_mark_in_is_upright_and_says_the_size_of_the_original(tmp_path: Path) -> None:
    content = encoded(np.full((1400, 2000, 3), 90), "JPEG")
    shown = show_image(ShowImage("large", content))
    assert (shown.width, shown.height) == (2000, 1400)
    assert shown.uri.startswith("data:image/jpeg;base64,")
    turned = show_image(ShowImage("turned", photo("JPEG", orientation=6)))
    assert (turned.width, turned.height) == (480, 640)
    small = show_image(ShowImage("small", encoded(np.arange(64).reshape(8, 8))))
    assert (small.width, small.height) == (8, 8)
    assert small.uri.startswith("data:image/png;base64,")
