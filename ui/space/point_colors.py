"""What the points of a feature space mean: their colors, and what each says when it is pointed at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.analysis.evaluated_run import EvaluatedRun
from engine.id_positions import find_ids
from engine.runs.folder import PARTS
from engine.runs.projections import Projection
from ui.figures.frame import plain_text
from ui.figures.space import Coloring
from ui.style import colors, formatting

COLORS = {
    "truth": "true class",
    "taken": "predicted class",
    "right": "correctness",
    "confidence": "confidence",
    "part": "split",
    "candidates": "number of candidates",
}
OF_PREDICTIONS = ("taken", "right", "confidence")
_PART_PAINTS = (colors.WRONG, colors.RIGHT, colors.PURPLE, colors.GREEN)


def coloring(run: EvaluatedRun, projection: Projection, by: str, step: int) -> Coloring:
    """by: one of COLORS. step: the evaluation whose predictions are meant."""
    names = [*run.class_names, "unknown"]
    paints = [*(colors.class_color(k) for k in range(len(run.class_names))), colors.UNKNOWN]
    unknown = len(run.class_names)
    if by in OF_PREDICTIONS:
        predicted, confidence = run.predictions_of(projection.ids, step)
        if by == "confidence":
            return Coloring("confidence", values=confidence)
        if by == "taken":
            return Coloring("predicted class", np.where(predicted >= 0, predicted, unknown), names, paints)
        is_known = (projection.labels >= 0) & (predicted >= 0)
        verdict = np.where(is_known, (predicted != projection.labels).astype(np.int64), 2)
        verdicts = ["correct", "incorrect", "unknown"]
        return Coloring("correctness", verdict, verdicts, [colors.RIGHT, colors.WRONG, colors.UNKNOWN])
    if by == "part":
        return Coloring("split", projection.part.astype(np.int64), PARTS, _PART_PAINTS)
    if by == "candidates":
        counts = candidate_counts(run, projection.ids)
        most = int(max(counts, default=1))
        return Coloring(
            "number of candidates",
            counts,
            ["none given", *map(str, range(1, most + 1))],
            [colors.UNKNOWN, *(colors.class_color(k) for k in range(most))],
        )
    return Coloring("true class", np.where(projection.labels >= 0, projection.labels, unknown), names, paints)


def candidate_counts(run: EvaluatedRun, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many candidate labels each of these images has; 0 where none were given."""
    sets = run.folder.candidates()
    if sets is None or not len(sets):
        return np.zeros(len(ids), np.int64)
    positions = find_ids(ids, run.folder.split()["pool"])
    return np.where(positions >= 0, sets.sum(1)[positions], 0)


def tips(run: EvaluatedRun, projection: Projection, step: int) -> list[str]:
    """What a point says: its id and part, its true class and the prediction after `step`."""
    names = [plain_text(name) for name in run.class_names]
    rows = zip(
        projection.ids.tolist(),
        projection.labels.tolist(),
        projection.part.tolist(),
        *(array.tolist() for array in run.predictions_of(projection.ids, step)),
        strict=True,
    )
    lines = []
    for sample, truth, part, predicted, confidence in rows:
        about = f"image {sample}, {PARTS[part]}<br>"
        about += f"true class {names[truth]}" if truth >= 0 else "true class unknown"
        if predicted >= 0:
            about += f"<br>predicted {names[predicted]} ({formatting.percent(confidence)})"
        lines.append(about)
    return lines
