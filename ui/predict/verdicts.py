"""What a prediction says, in words and as CSV."""

from __future__ import annotations

from collections.abc import Sequence

from engine.csv_text import csv_text
from engine.lab.messages import ImagePrediction
from ui.shell.page import escape_markdown
from ui.style import formatting

DECISION_THRESHOLD = 0.5  # below this probability a prediction is called uncertain


def is_undecided(prediction: ImagePrediction) -> bool:
    """Whether all classes are equally likely: what a graph predicts where no label reaches."""
    probabilities = prediction.probabilities
    return len(probabilities) > 1 and max(probabilities) - min(probabilities) < 1e-6


def verdict(prediction: ImagePrediction) -> str:
    """As markdown, with the true class where it is known."""
    name, probability = prediction.top[0]
    if is_undecided(prediction):
        return "**Unknown**: all classes equally likely"
    words = f"**{escape_markdown(name)}** · {formatting.percent(probability)}"
    words = words if probability >= DECISION_THRESHOLD else f"Uncertain, most likely {words}"
    if prediction.truth is None:
        return words
    return words + (
        "  \n✓ correct" if prediction.truth == name else f"  \n✗ true class: {escape_markdown(prediction.truth)}"
    )


def note(prediction: ImagePrediction) -> str:
    """What a table says beside a prediction, or instead of one."""
    if prediction.error:
        return prediction.error
    if is_undecided(prediction):
        return "unknown: all classes equally likely"
    return "" if prediction.top[0][1] >= DECISION_THRESHOLD else "uncertain"


def as_csv(predictions: Sequence[ImagePrediction], class_names: Sequence[str]) -> str:
    """One line an image: prediction and probability, or the error, then the probability of every class."""
    heading = ["image", "prediction", "probability", "error", *class_names]
    rows = [
        [one.name, "", "", one.error, *[""] * len(class_names)]
        if one.error
        else [one.name, *one.top[0], "", *one.probabilities]
        for one in predictions
    ]
    return csv_text([heading, *rows])
