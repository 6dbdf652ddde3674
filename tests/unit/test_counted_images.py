"""What a bar counts is what a click on it opens: of every bar as many as it is high, and the right ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.analysis.metrics import calibration_of, error_of
from engine.analysis.thresholds import PseudoLabelSet
from ui.figures.classification import confidence_histogram
from ui.figures.pseudo_labels import reliability_diagram
from ui.runs.counted_images import of_histogram, of_reliability

EDGES = np.linspace(0, 1, 21)


@pytest.fixture
def predicted() -> PseudoLabelSet:
    """Confidences everywhere, also on the edges of bars, and one truth in five unknown."""
    draws = np.random.default_rng(3)
    confidence = np.concatenate([draws.random(300), EDGES, np.linspace(0, 1, 16)])
    labels = draws.integers(0, 4, len(confidence))
    truth = np.where(draws.random(len(confidence)) < 0.7, labels, draws.integers(0, 4, len(confidence)))
    truth[::5] = -1
    return PseudoLabelSet(np.arange(len(labels)) * 7, labels, confidence, truth)


def bars(figure: dict[str, Any]) -> list[tuple[dict[str, Any], list[Any]]]:
    return [(trace, bar) for trace in figure["data"] for bar in trace["customdata"]]


def test_a_bar_of_the_histogram_opens_its_images(predicted: PseudoLabelSet) -> None:
    correct, incorrect, unknown = (
        np.histogram(predicted.confidence[chosen], EDGES)[0]
        for chosen in (predicted.correct, predicted.incorrect, predicted.truth < 0)
    )
    seen = np.zeros(len(predicted.ids), int)
    for trace, bar in bars(confidence_histogram(correct, incorrect, unknown, EDGES, None)):
        title, counted = of_histogram(predicted, EDGES, bar)
        assert counted.sum() == bar[1]
        low, high = map(float, bar[0].split("–"))
        assert ((predicted.confidence[counted] >= low - 1e-9) & (predicted.confidence[counted] <= high + 1e-9)).all()
        outcomes: dict[str, NDArray[np.bool_]] = {
            "correct": predicted.labels == predicted.truth,
            "incorrect": (predicted.truth >= 0) & (predicted.labels != predicted.truth),
            "true class unknown": predicted.truth < 0,
        }
        assert outcomes[trace["name"]][counted].all()
        assert title.lower().startswith(trace["name"])
        seen += counted
    assert (seen == 1).all()


def test_a_bar_of_the_reliability_diagram_opens_its_images(predicted: PseudoLabelSet) -> None:
    known = predicted.truth >= 0
    bins = calibration_of(predicted.confidence[known], predicted.correct[known])
    figure = reliability_diagram([("all", bins, error_of(bins), "#000000")], "t")
    seen = np.zeros(len(predicted.ids), int)
    for (_, bar), accuracy in zip(bars(figure), figure["data"][0]["y"], strict=True):
        counted = of_reliability(predicted, bar)[1]
        assert counted.sum() == bar[1]
        assert predicted.correct[counted].mean() == pytest.approx(accuracy, abs=1e-6)
        seen += counted
    assert (seen == known).all()
