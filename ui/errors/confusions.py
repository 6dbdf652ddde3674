"""Which classes are confused with which, and what another run corrects, as numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.evaluated_run import Predictions
from engine.analysis.metrics import confusion, per_class
from engine.analysis.most_confident import most_confident

Ids = NDArray[np.int64]


def most_frequent_confusion(counts: Ids) -> tuple[int, int] | None:
    """True and predicted class; None where there are no errors. counts: int64 [K, K]."""
    errors = counts - np.diag(np.diag(counts))
    true, predicted = divmod(int(errors.argmax()), len(errors))
    return (true, predicted) if errors.any() else None


def cell_reader(classes: int) -> Callable[[str], tuple[int, int]]:
    """Reads "(3, 8)", as a link has it: true and predicted class. Raises ValueError for any other text."""

    def read(text: str) -> tuple[int, int]:
        true, predicted = (int(part) for part in text.strip("()").split(","))
        if not (0 <= true < classes and 0 <= predicted < classes):
            raise ValueError(text)
        return true, predicted

    return read


def images_of_cell(predictions: Predictions, cell: tuple[int, int]) -> Ids:
    """Positions of the images of a (true, predicted) class, the most confident first."""
    true, predicted = cell
    return most_confident(predictions.confidence, (predictions.true_labels == true) & (predictions.labels == predicted))


def errors_of(predictions: Predictions) -> Ids:
    """Positions of the misclassified images, the most confident first."""
    return most_confident(predictions.confidence, predictions.labels != predictions.true_labels)


def errors_of_class(predictions: Predictions, k: int) -> Ids:
    """Positions of the images of class k that were missed, and of those mistaken for it, the most confident first."""
    concerned = (predictions.true_labels == k) | (predictions.labels == k)
    return most_confident(predictions.confidence, concerned & (predictions.labels != predictions.true_labels))


class Changes(NamedTuple):
    """What a second run predicts for images that both evaluated.

    ids, true_labels, first, second: int64 [n], the latter two the predicted classes. corrected, broken: positions that
    the second run alone, or the first run alone, classifies correctly.
    """

    ids: Ids
    true_labels: Ids
    first: Ids
    second: Ids
    corrected: Ids
    broken: Ids


def changes_between(first: Predictions, second: Predictions) -> Changes:
    """Of images with a known label; ids rise."""
    ids, own, others = np.intersect1d(first.ids, second.ids, return_indices=True)
    truth, a, b = first.true_labels[own], first.labels[own], second.labels[others]
    corrected, broken = np.flatnonzero((a != truth) & (b == truth)), np.flatnonzero((a == truth) & (b != truth))
    return Changes(ids, truth, a, b, corrected, broken)


def per_class_rows(predictions: Predictions, class_names: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row a class: precision, recall and F1 in percent, None where they have no meaning, and how many images."""
    table = per_class(confusion(predictions.probabilities, predictions.true_labels))
    predicted = np.bincount(predictions.labels, minlength=len(class_names))
    rows = []
    for k, name in enumerate(class_names):
        occurs, was_predicted = table["support"][k] > 0, predicted[k] > 0
        rows.append(
            {
                "class": name,
                "precision": 100 * float(table["precision"][k]) if was_predicted else None,
                "recall": 100 * float(table["recall"][k]) if occurs else None,
                "F1": 100 * float(table["f1"][k]) if occurs or was_predicted else None,
                "images": int(table["support"][k]),
            }
        )
    return rows
