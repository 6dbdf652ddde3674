"""What is known of the images chosen on a map: mistakes first, how many of each class, and all of it as CSV."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.csv_text import csv_text
from engine.runs.projections import Projection
from ui.figures.frame import shorten
from ui.shell.page import escape_markdown
from ui.style import formatting

_CLASSES = 5  # that are counted by name


@dataclass(frozen=True)
class ChosenImages:
    """positions: int64 [n], among the points of the map. truth and predicted: int64 [n], -1 unknown. confidence:
    float64 [n], NaN where there is no prediction. All in the order in which they are shown.
    """

    positions: NDArray[np.int64]
    ids: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]


def by_mistake(run: EvaluatedRun, projection: Projection, positions: NDArray[np.int64], step: int) -> ChosenImages:
    """The mistakes first, the most confident of them on top; then what is right, the least confident first; last what
    has no known class or no prediction after `step`.
    """
    ids, truth = projection.ids[positions], projection.labels[positions]
    predicted, confidence = run.predictions_of(ids, step)
    verdict = np.where((truth < 0) | (predicted < 0), 2, np.where(truth != predicted, 0, 1))
    order = np.lexsort((np.where(verdict == 0, -confidence, confidence), verdict))
    return ChosenImages(positions[order], ids[order], truth[order], predicted[order], confidence[order])


def in_one_line(images: ChosenImages, names: tuple[str, ...]) -> str:
    """As markdown: "**12 images**: 4 six · 3 five, 2 misclassified"."""
    count = len(images.ids)
    said = f"**{formatting.count(count)} {'image' if count == 1 else 'images'}**"
    of_class = np.bincount(images.truth[images.truth >= 0], minlength=len(names))
    frequent = [k for k in np.argsort(-of_class, kind="stable") if of_class[k]]
    parts = [f"{formatting.count(int(of_class[k]))} {_beside_number(names[k])}" for k in frequent]
    further = [f"and {len(parts) - _CLASSES} more"] if len(parts) > _CLASSES + 1 else []
    parts = [*(parts[:_CLASSES] if further else parts), *further]
    if unknown := int((images.truth < 0).sum()):
        parts.append(f"{formatting.count(unknown)} of unknown class")
    said += f": {' · '.join(parts)}" if parts else ""
    known = (images.truth >= 0) & (images.predicted >= 0)
    if known.any():
        wrong = int((images.truth != images.predicted)[known].sum())
        said += f", {formatting.count(wrong) if wrong else 'none'} misclassified"
    return said


def _beside_number(name: str) -> str:
    """Quoted where it would read as part of the number."""
    short = escape_markdown(shorten(name, 20))
    return f"“{short}”" if name[:1].isdigit() else short


def chosen_as_csv(run: EvaluatedRun, projection: Projection, images: ChosenImages) -> str:
    """One line an image, in the order shown; x, y and in a cube z as the map has them."""
    files = [run.images.file_name(sample) if run.images is not None else None for sample in images.ids.tolist()]
    named = any(file is not None for file in files)
    names = (*run.class_names, "")  # -1 is unknown
    points = projection.frames[-1][images.positions]
    rows = zip(images.ids.tolist(), files, images.truth, images.predicted, images.confidence, points, strict=True)
    return csv_text(
        [
            ["id", *(["file"] if named else []), "class", "prediction", "confidence", *"xyz"[: points.shape[1]]],
            *(
                [
                    sample,
                    *([file] if named else []),
                    names[truth],
                    names[label],
                    round(float(confidence), 6) if label >= 0 else "",
                    *(round(float(value), 6) for value in point),
                ]
                for sample, file, truth, label, confidence, point in rows
            ),
        ]
    )
