"""The run that FewLab comes with: whole, small, and still what this code makes of it."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.predictor import Predictor
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


def test_its_model_which_is_older_says_when_it_is_sure_from_its_last_evaluation(demo: Run) -> None:
    """The coverage, counted by hand: the true class is among the possible ones for as many validation images."""
    predictor = Predictor(demo.folder)
    assert "conformal" not in demo.folder.model_about()
    assert predictor.certainty.coverages == (0.8, 0.9, 0.95, 0.99)
    images = load_stored_images(demo.folder.path.parent, IMAGES)
    held_out = demo.folder.split()["validation"]
    probabilities = predictor.probabilities(np.array(images.images[images.rows(held_out)]), calibrated=True)
    of_truth = np.sort(probabilities[np.arange(len(held_out)), images.true_labels(held_out)])[::-1]
    for coverage in predictor.certainty.coverages:
        conformal = predictor.certainty.conformal
        assert conformal is not None
        rank = math.ceil((len(held_out) + 1) * coverage)
        assert conformal.cutoffs[coverage] == pytest.approx(of_truth[rank - 1], abs=2e-3)  # kept in half precision
