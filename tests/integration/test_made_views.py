"""The views of one image that a page asks for are those that training would make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.config.run_config import RunConfig
from engine.errors import FewLabError
from engine.lab.prediction_messages import MakeViews
from engine.lab.workers.data_requests import make_views
from engine.runs.folder import RunFolder
from engine.runs.store import Store


def run_of(root: Path, **config: object) -> RunFolder:
    return Store(root).create(RunConfig.parse(config).model_dump(mode="json"))


def shifts(image: NDArray[np.uint8], most: int) -> set[bytes]:
    """[C, H, W] moved by up to `most` whole pixels, what comes in reflected."""
    height, width = image.shape[1:]
    padded = np.pad(image, ((0, 0), (most, most), (most, most)), mode="reflect")
    places = range(2 * most + 1)
    return {padded[:, y : y + height, x : x + width].tobytes() for y in places for x in places}


def test_weak_views_of_a_digit_are_the_image_shifted_by_a_pixel_and_strong_ones_are_not(tmp_path: Path) -> None:
    untilted = {"weak": {"translate": 0.125, "rotate": 0.0}}
    folder = run_of(tmp_path, method={"name": "fixmatch"}, data={"name": "digits"}, augment=untilted)
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8), dtype=np.uint8)
    views = make_views(MakeViews(str(folder.path), image.tobytes(), image.shape, 12, 3))
    assert set(views) == {"weak", "strong"}
    assert all(one.shape == (12, 1, 8, 8) and one.dtype == np.uint8 for one in views.values())
    allowed = shifts(image, 1)  # 12.5 % of 8 pixels; a digit in the mirror is none
    assert {view.tobytes() for view in views["weak"]} <= allowed
    assert len({view.tobytes() for view in views["weak"]}) > 1
    assert not {view.tobytes() for view in views["strong"]} <= allowed
    again = make_views(MakeViews(str(folder.path), image.tobytes(), image.shape, 12, 3))
    assert all((again[name] == views[name]).all() for name in views)


def test_views_are_as_large_as_the_method_asks_for_and_none_that_it_does_not_use(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8), dtype=np.uint8)

    def sides(local_views: int) -> dict[str, int]:
        data = {"name": "digits", "labels": {"kind": "none"}}
        folder = run_of(tmp_path, method={"name": "dino", "local_views": local_views}, data=data)
        made = make_views(MakeViews(str(folder.path), image.tobytes(), image.shape, 2, 0))
        return {name: views.shape[-1] for name, views in made.items()}

    assert sides(2) == {"first": 8, "second": 8, "local": 4}
    assert sides(0) == {"first": 8, "second": 8}


def test_a_method_without_steps_has_no_views(tmp_path: Path) -> None:
    folder = run_of(tmp_path, method={"name": "label_spreading"}, data={"name": "digits"})
    assert make_views(MakeViews(str(folder.path), bytes(64), (1, 8, 8), 2, 0)) == {}


def test_of_images_that_are_gone_it_is_one_sentence(tmp_path: Path) -> None:
    folder = run_of(tmp_path, method={"name": "fixmatch"}, data={"name": "folder", "path": str(tmp_path / "gone")})
    with pytest.raises(FewLabError, match="gone"):
        make_views(MakeViews(str(folder.path), bytes(192), (3, 8, 8), 1, 0))
