"""What a check of imported images finds: faults of every kind that were planted among good images, each counted."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from engine.data.importing.image_cache import kept_files
from engine.data.importing.image_checks import Issue, check_images
from tests.fixtures_images import encoded, folder_of, source

SIDE = 48


def photo(seed: int, height: int = SIDE, width: int = SIDE) -> NDArray[np.uint8]:
    """Smooth shapes with a fine grain, as photos have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    layers = [
        sum(
            rng.normal() * np.cos(2 * np.pi * (rng.integers(0, 4) * x + rng.integers(0, 4) * y + rng.random()))
            for _ in range(8)
        )
        for _ in range(3)
    ]
    image = np.stack(layers, 2)
    image = image + 0.09 * np.ptp(image) * rng.normal(size=image.shape[:2])[:, :, None]
    spread: NDArray[np.uint8] = ((image - image.min()) / (np.ptp(image) or 1) * 255).astype(np.uint8)
    return spread


def jpeg(pixels: NDArray[np.uint8], quality: int = 80) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Issue]:
    """Of forty good photos of two classes and test images, with faults among them."""
    files = {
        f"{part}/{of}/{k}.png": encoded(photo(100 * c + k + 50 * (part == "test")))
        for part in ("train", "test")
        for c, of in enumerate(("cat", "dog"))
        for k in range(10)
    }
    files["train/cat/copy.png"] = files["train/cat/3.png"]
    files["train/cat/again.png"] = files["train/cat/3.png"]
    files["test/dog/leak.png"] = files["train/dog/4.png"]
    files["train/dog/two classes.png"] = files["train/cat/5.png"]
    files["train/cat/smaller file.jpg"] = jpeg(photo(7))
    large = Image.fromarray(photo(8)).resize((3 * SIDE, 3 * SIDE), Image.Resampling.BICUBIC)
    files["train/cat/larger.png"] = encoded(np.asarray(large))
    files["train/dog/night.png"] = encoded((photo(900) * 0.2).astype(np.uint8))
    files["train/dog/snow.png"] = encoded((255 - photo(901) * 0.03).astype(np.uint8))
    soft = Image.fromarray((photo(902) * 0.7).astype(np.uint8)).filter(ImageFilter.GaussianBlur(2))
    files["train/dog/soft.png"] = encoded(np.asarray(soft))
    files["train/dog/blank.png"] = encoded(np.full((SIDE, SIDE, 3), 128))
    files["train/dog/strip.png"] = encoded(photo(902, 60, 400))
    files["train/dog/tiny.png"] = encoded(photo(903, 20, 20))
    folder = tmp_path_factory.mktemp("checked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWLAB_CACHE", str(folder / "cache"))
        of = source(folder_of(folder / "x", files), size=40, fit="squash")
        of.prepare()
        kept = kept_files(of.key())
        assert kept is not None
        issues = check_images(of.load(), kept)
    assert len({issue.name for issue in issues}) == len(issues)
    return {issue.name: issue for issue in issues}


def names(issue: Issue) -> list[set[str]]:
    return [{Path(file).name for file in group} for group in issue.files]


def test_copies_are_found_in_their_groups_and_all_but_one_can_be_left_out(found: dict[str, Issue]) -> None:
    issue = found["exact_duplicates"]
    assert issue.count == 7
    assert {frozenset(group) for group in names(issue)} == {
        frozenset({"3.png", "copy.png", "again.png"}),
        frozenset({"4.png", "leak.png"}),
        frozenset({"5.png", "two classes.png"}),
    }
    assert len(issue.exclude) == 4


def test_copies_across_parts_and_classes_are_told_apart(found: dict[str, Issue]) -> None:
    assert names(found["exact_duplicates_across_parts"]) == [{"4.png", "leak.png"}]
    assert len(found["exact_duplicates_across_parts"].exclude) == 1
    assert names(found["exact_duplicates_with_two_classes"]) == [{"5.png", "two classes.png"}]
    assert len(found["exact_duplicates_with_two_classes"].exclude) == 2


def test_a_photo_saved_anew_or_enlarged_is_almost_a_copy(found: dict[str, Issue]) -> None:
    issue = found["near_duplicates"]
    assert {frozenset(group) for group in names(issue)} == {
        frozenset({"7.png", "smaller file.jpg"}),
        frozenset({"8.png", "larger.png"}),
    }
    assert issue.count == 4
    assert len(issue.exclude) == 2


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("is_dark", ["night.png"]),
        ("is_light", ["snow.png"]),
        ("is_low_information", ["blank.png"]),
        ("is_blurry", ["soft.png"]),
        ("is_odd_aspect_ratio", ["strip.png"]),
        ("is_odd_size", ["tiny.png"]),
    ],
)
def test_every_other_fault_is_counted_exactly(found: dict[str, Issue], name: str, files: list[str]) -> None:
    assert [Path(file).name for group in found[name].files for file in group] == files
    assert found[name].count == len(files)
    assert [Path(file).name for file in found[name].exclude] == files


def test_nothing_else_is_found(found: dict[str, Issue]) -> None:
    assert set(found) == {
        "exact_duplicates",
        "exact_duplicates_across_parts",
        "exact_duplicates_with_two_classes",
        "near_duplicates",
        "is_dark",
        "is_light",
        "is_blurry",
        "is_low_information",
        "is_odd_aspect_ratio",
        "is_odd_size",
    }
