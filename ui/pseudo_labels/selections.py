"""Which pseudo-labeled images a gallery shows: positions in the set, the most telling first, and a note for each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.analysis.most_confident import most_confident
from engine.analysis.prediction_history import PredictionHistory
from engine.analysis.thresholds import PseudoLabelSet, is_above
from engine.id_positions import find_ids

Selected = tuple[int, tuple[str, ...]]


def confident_errors(pseudo_labels: PseudoLabelSet) -> list[Selected]:
    return _most_confident(pseudo_labels, pseudo_labels.incorrect)


def above_threshold(pseudo_labels: PseudoLabelSet, threshold: float) -> list[Selected]:
    """The least confident first: the next that a higher threshold would leave out."""
    above = np.flatnonzero(is_above(pseudo_labels, threshold))
    order = np.argsort(pseudo_labels.confidence[above], kind="stable")
    return [(int(i), ()) for i in above[order]]


def below_threshold(pseudo_labels: PseudoLabelSet, threshold: float) -> list[Selected]:
    return _most_confident(pseudo_labels, ~is_above(pseudo_labels, threshold))


def most_changed(pseudo_labels: PseudoLabelSet, history: PredictionHistory) -> list[Selected]:
    """Those whose prediction ever changed, with how often it did."""
    changes = history.changes()
    order = np.argsort(-changes, kind="stable")
    order = order[changes[order] > 0]
    positions = find_ids(history.ids[order], pseudo_labels.ids)
    return [
        (int(position), (f"{count} change{'' if count == 1 else 's'}",))
        for position, count in zip(positions, changes[order], strict=True)
        if position >= 0
    ]


def _most_confident(pseudo_labels: PseudoLabelSet, among: NDArray[np.bool_]) -> list[Selected]:
    return [(int(i), ()) for i in most_confident(pseudo_labels.confidence, among)]
