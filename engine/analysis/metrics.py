"""What a classifier's probabilities are worth: accuracy, F1, AUC-ROC, calibration, confusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ShapeError

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class CalibrationBins:
    """Per bin of confidence: edges [bins + 1], count [bins], mean confidence and accuracy [bins] (0 where the bin is
    empty).
    """

    edges: Floats
    count: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats


def headline(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """The cheap figures, for every evaluation: accuracy and expected calibration error, as shares of 1."""
    _check(probabilities, labels)
    return {
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "ece": expected_calibration_error(probabilities, labels),
    }


def summary(probabilities: Floats, labels: Labels) -> dict[str, float]:
    """accuracy, macro F1, AUC-ROC (one against the rest, mean over classes) and expected calibration error.

    probabilities: [N, K], rows sum to 1. labels: int64 [N], 0..K-1. Macro F1 is the mean over all K classes, 0 for one
    never predicted. AUC is the mean over classes that have both positive and negative samples; without any it is left
    out.
    """
    from sklearn.metrics import f1_score, roc_auc_score

    classes = probabilities.shape[1]
    result = headline(probabilities, labels)
    result["macro_f1"] = float(
        f1_score(labels, probabilities.argmax(1), labels=np.arange(classes), average="macro", zero_division=0)
    )
    areas = [
        roc_auc_score(labels == k, probabilities[:, k]) for k in range(classes) if 0 < (labels == k).sum() < len(labels)
    ]
    return result | ({"auc_roc": float(np.mean(areas))} if areas else {})


def confusion(probabilities: Floats, labels: Labels) -> NDArray[np.int64]:
    """Counts [K, K]: row the true class, column the predicted one."""
    _check(probabilities, labels)
    classes = probabilities.shape[1]
    return np.bincount(labels * classes + probabilities.argmax(1), minlength=classes * classes).reshape(
        classes, classes
    )


def per_class(counts: NDArray[np.int64]) -> dict[str, Floats]:
    """precision, recall, f1 and support per class from a confusion matrix [K, K]; 0 where a class was never predicted
    or never occurs.
    """
    hits = np.diag(counts).astype(float)
    predicted, support = counts.sum(0).astype(float), counts.sum(1).astype(float)
    precision = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
    recall = np.divide(hits, support, out=np.zeros_like(hits), where=support > 0)
    total = precision + recall
    f1 = np.divide(2 * precision * recall, total, out=np.zeros_like(hits), where=total > 0)
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}


def calibration(probabilities: Floats, labels: Labels, bins: int = 15) -> CalibrationBins:
    """Equal-width bins of the top probability, right edge included (Guo et al. 2017, arXiv:1706.04599)."""
    _check(probabilities, labels)
    return calibration_of(probabilities.max(1), probabilities.argmax(1) == labels, bins)


def calibration_of(confidence: Floats, right: NDArray[np.bool_], bins: int = 15) -> CalibrationBins:
    """The same from the top probabilities [N] and whether each prediction was right, bool [N]."""
    confidence = confidence.astype(float)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = calibration_bin(confidence, bins)
    count = np.bincount(bin_of, minlength=bins)
    safe = np.maximum(count, 1)
    return CalibrationBins(
        edges,
        count,
        np.bincount(bin_of, confidence, bins) / safe,
        np.bincount(bin_of, right.astype(float), bins) / safe,
    )


def calibration_bin(confidence: Floats, bins: int = 15) -> Labels:
    """In which of the bins of `calibration_of` each confidence [N] is: int64 [N]."""
    found: Labels = np.clip(np.ceil(confidence.astype(float) * bins).astype(np.int64) - 1, 0, bins - 1)
    return found


def expected_calibration_error(probabilities: Floats, labels: Labels, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over the bins, weighted by their counts (Guo et al. 2017, eq. 3), as a
    share of 1.
    """
    return error_of(calibration(probabilities, labels, bins))


def error_of(table: CalibrationBins) -> float:
    """The same from its bins."""
    return float((table.count * np.abs(table.accuracy - table.confidence)).sum() / max(1, table.count.sum()))


def _check(probabilities: Floats, labels: Labels) -> None:
    if len(probabilities) != len(labels) or len(labels) == 0:
        raise ShapeError(
            f"Probabilities and labels must have one length above 0, but have {len(probabilities)} and {len(labels)}."
        )
