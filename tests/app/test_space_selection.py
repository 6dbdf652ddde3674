"""What Space says of the images that were chosen on its map, against what the run's last evaluation stored."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from engine.lab.lab import Lab
from engine.runs.store import Run
from tests.app.app_helpers import Open, words
from tests.app.conftest import Downloads
from tests.app.known_runs import NAMES, known_run, shown_ids, snapshot
from tests.waiting import until
from ui.space.chosen_images import ChosenImages, in_one_line

PARTS = ("labeled", "unlabeled", "validation", "test")


@pytest.fixture(scope="module")
def run(lab: Lab) -> Run:
    return known_run(lab, "known", 5, {"test/accuracy": 0.5}, [{"step": 10, "loss/labeled": 1.0}])


def drawn(app: AppTest) -> AppTest:
    """Once the projection, which another process computes, is there."""
    until(lambda: app.run().metric, "the projection", every=0.5)
    assert not app.exception
    return app


def known(run: Run) -> dict[int, tuple[int, int, float]]:
    """By id: true class, prediction and confidence after the last evaluation."""
    told = {}
    for part in PARTS:
        for sample, table, truth in zip(*snapshot(run, 20, part), strict=True):
            told[int(sample)] = (int(truth), int(table.argmax()), float(table.max()))
    return told


def chosen(app: AppTest, ids: list[int]) -> AppTest:
    app.session_state["space_chosen_known"] = ids
    return app.run()


def test_chosen_images_begin_with_the_most_confident_mistakes_and_end_with_the_unknown(
    run: Run, open_page: Open
) -> None:
    told = known(run)
    ids = sorted(told)[::3]
    app = chosen(drawn(open_page("space", run=run.id)), ids)

    def place(sample: int) -> tuple[int, float]:
        truth, predicted, confidence = told[sample]
        if truth < 0:
            return 2, confidence
        return (0, -confidence) if truth != predicted else (1, confidence)

    places = [place(sample) for sample in shown_ids(app, "space_gallery")]
    assert places == sorted(map(place, ids))[:60]
    wrong = sum(place(sample)[0] == 0 for sample in ids)
    assert 0 < wrong < len(ids)
    counts = Counter(told[sample][0] for sample in ids)
    (said,) = (str(one.value) for one in app.markdown if "misclassified" in str(one.value))
    assert said.startswith(f"**{len(ids)} images**: ")
    assert f", {wrong} misclassified" in said
    assert f"{counts[-1]} of unknown class" in said
    assert all(f"{counts[k]} {NAMES[k].replace('*', chr(92) + '*')}" in said for k in range(len(NAMES)))


def test_chosen_images_are_downloaded_with_what_is_known_of_them_and_nothing_is_while_none_is_chosen(
    run: Run, open_page: Open, downloads: Downloads
) -> None:
    told = known(run)
    ids = sorted(told)[::7]
    app = drawn(open_page("space", run=run.id))
    name = f"{run.id}-selection.csv"
    assert name not in downloads
    chosen(app, ids)
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(downloads[name])))
    assert {int(row["id"]) for row in rows} == set(ids)
    assert list(rows[0]) == ["id", "class", "prediction", "confidence", "x", "y"]
    for row in rows:
        truth, predicted, confidence = told[int(row["id"])]
        assert row["class"] == (NAMES[truth] if truth >= 0 else "")
        assert row["prediction"] == NAMES[predicted]
        assert float(row["confidence"]) == pytest.approx(confidence, abs=1e-6)
    assert len({(row["x"], row["y"]) for row in rows}) == len(rows)


def test_in_a_cube_nothing_speaks_of_a_lasso_and_the_download_has_three_places(
    run: Run, open_page: Open, downloads: Downloads
) -> None:
    app = drawn(open_page("space", run=run.id))
    assert "Lasso or click points" in words(app)
    app = drawn(open_page("space", run=run.id, dimensions="3"))
    assert "lasso" not in words(app).lower()
    assert "Click a point to see its image." in words(app)
    chosen(app, sorted(known(run))[:2])
    assert downloads[f"{run.id}-selection.csv"].splitlines()[0] == "id,class,prediction,confidence,x,y,z"


def counted(truth: list[int], predicted: list[int], classes: int) -> str:
    rows = np.arange(len(truth))
    confidence = np.where(np.array(predicted) < 0, np.nan, 0.5)
    images = ChosenImages(rows, rows, np.array(truth), np.array(predicted), confidence)
    return in_one_line(images, tuple(f"class_{k}" for k in range(classes)))


def test_the_line_of_counts_names_the_frequent_classes_and_counts_the_rest() -> None:
    many = [k for k in range(12) for _ in range(13 - k)]
    assert counted(many, many, 12) == (
        f"**{len(many)} images**: 13 class\\_0 · 12 class\\_1 · 11 class\\_2 · 10 class\\_3 · 9 class\\_4 · and 7 more,"
        " none misclassified"
    )


def test_a_class_that_is_called_by_a_number_is_quoted_beside_its_count() -> None:
    rows = np.arange(3)
    images = ChosenImages(rows, rows, np.array([1, 1, 0]), np.array([1, 0, 0]), np.full(3, 0.5))
    assert in_one_line(images, ("7", "8")) == "**3 images**: 2 “8” · 1 “7”, 1 misclassified"


def test_the_line_of_counts_says_of_no_prediction_that_it_is_wrong() -> None:
    assert counted([1], [-1], 2) == "**1 image**: 1 class\\_1"
    assert counted([1, -1], [0, 1], 2) == "**2 images**: 1 class\\_1 · 1 of unknown class, 1 misclassified"
