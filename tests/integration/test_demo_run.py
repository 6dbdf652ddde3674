"""The run that FewLab comes with: whole, small, and still what this code makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.runs.store import Run, Store
from engine.runs.stored_images import load_stored_images
from engine.training.retest import retest
from tests.integration.process_helpers import ROOT

DEMO = "20261121-211649-fixmatch-digits-demo"
IMAGES = "7260fa69e3236f68"


@pytest.fixture
def demo(tmp_path: Path) -> Run:
    """A copy, because opening a run may leave something beside it."""
    for folder in (DEMO, f".pictures/{IMAGES}"):
        shutil.copytree(ROOT / "checkpoints" / folder, tmp_path / folder)
    return Store(tmp_path).run(DEMO)


def test_it_is_finished_and_its_model_still_answers_as_it_says(demo: Run) -> None:
    assert demo.status.state == "finished"
    assert retest(demo.folder) == {name: pytest.approx(value, rel=1e-4) for name, value in demo.status.metrics.items()}


def test_the_pages_find_its_evaluations_and_images(demo: Run) -> None:
    assert demo.folder.snapshot_steps() == [200, 400, 600, 800, 1000]
    (content,) = {event["pictures"] for event in demo.folder.events() if "pictures" in event}
    images = load_stored_images(demo.folder.path.parent, content)
    assert set(demo.folder.snapshot(1000)["ids"]) <= set(images.ids)


def test_it_is_small() -> None:
    sizes = [
        path.stat().st_size
        for path in (ROOT / "checkpoints" / DEMO).rglob("*")
        if path.is_file() and path.parent.name != "projections"
    ]
    assert sum(sizes) < 3_000_000
