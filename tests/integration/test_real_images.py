"""Real archives of images, where they are here: imported whole, and opened again without being decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.config.parts import DataParams
from engine.data.split import make_split
from tests.fixtures_images import source


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))


def archive(real_data: Path, name: str) -> Path:
    path = real_data / "images" / f"{name}.zip"
    if not path.exists():
        pytest.skip(f"no {path}")
    return path


def test_doodles_become_five_grey_classes_split_by_us(real_data: Path) -> None:
    report = source(archive(real_data, "quickdraw5"), size=28).prepare()
    assert (report.read, report.channels, report.own_test, report.skipped) == (5_000, 1, False, {})
    assert report.training == dict.fromkeys(("apple", "bicycle", "cat", "eye", "fish"), 800)
    images = source(archive(real_data, "quickdraw5"), size=28).load()
    assert images.images.max() == 255
    assert np.median(images.images) == 0  # white lines on black


def test_unbalanced_faces_keep_their_official_split(real_data: Path) -> None:
    faces = source(archive(real_data, "fer2013_jpeg"), size=48)
    report = faces.prepare()
    assert (report.read, report.channels, report.own_test, report.skipped) == (10_001, 1, True, {})
    assert report.training == {
        "angry": 1093,
        "disgust": 102,
        "fear": 1099,
        "happy": 2044,
        "neutral": 1401,
        "sad": 1353,
        "surprise": 709,
    }
    assert report.test == {
        "angry": 287,
        "disgust": 34,
        "fear": 304,
        "happy": 557,
        "neutral": 374,
        "sad": 405,
        "surprise": 239,
    }
    split = make_split(
        faces.load(),
        DataParams.model_validate({"name": "folder", "split_seed": 0, "labels": {"kind": "few", "per_class": 40}}),
    )
    assert (len(split.labeled), len(split.test)) == (280, 2_200)


def test_photographs_of_another_shape_are_cropped_or_padded(real_data: Path) -> None:
    report = source(archive(real_data, "trashnet256"), size=64).prepare()
    assert (report.read, report.channels, report.own_test, report.skipped) == (2_527, 3, False, {})
    assert report.training["trash"] + report.test["trash"] == 137


@pytest.mark.slow
def test_sixty_thousand_jpegs_are_imported_once_and_then_mapped(real_data: Path) -> None:
    import zipfile

    path = archive(real_data, "cifar10_jpeg")
    report = source(path, size=32).prepare()
    assert (report.read, set(report.training.values()), set(report.test.values())) == (60_000, {5_000}, {1_000})
    images = source(path, size=32).load()
    assert isinstance(images.images, np.memmap)  # opened, not decoded again
    with zipfile.ZipFile(path) as packed:
        for row, name in enumerate(sorted(name for name in packed.namelist() if name.endswith(".jpg"))):
            if row % 6_007 == 0:
                with packed.open(name) as member:
                    assert np.array_equal(images.images[row].transpose(1, 2, 0), np.asarray(Image.open(member)))
                assert name.split("/")[1] == images.class_names[images.labels[row]]
                assert name.startswith("test/") == images.is_test[row]
