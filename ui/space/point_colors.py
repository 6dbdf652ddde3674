"""What the points of a feature space mean: their colors, and what each says when it is pointed at."""

from __future__ import annotations

import numpy as np

from engine.runs.folder import PARTS
from engine.runs.projections import Projection
from ui.figures.frame import plain_text
from ui.figures.space import Coloring
from ui.runs.run_bar import Inside
from ui.style import colors, formatting

COLORS = {
    "truth": "true class",
    "taken": "what it is taken for",
    "right": "right or wrong",
    "confidence": "confidence",
    "part": "labeled or not",
    "candidates": "number of candidates",
}
_PART_PAINTS = (colors.WRONG, colors.RIGHT, colors.PURPLE, colors.GREEN)


def answers(inside: Inside, step: int) -> tuple[dict[int, int], dict[int, float]]:
    """By sample id, what it was taken for at an evaluation and how surely; empty for features without classes."""
    taken: dict[int, int] = {}
    sure: dict[int, float] = {}
    for part in PARTS:
        ids, probabilities = inside.part(step, part)
        if len(ids) and probabilities.shape[1]:
            taken |= dict(zip(ids.tolist(), probabilities.argmax(1).tolist(), strict=True))
            sure |= dict(zip(ids.tolist(), probabilities.max(1).astype(float).tolist(), strict=True))
    return taken, sure


def candidate_counts(inside: Inside) -> dict[int, int]:
    sets = inside.run.folder.candidates()
    return (
        {} if sets is None else dict(zip(inside.run.folder.split()["pool"].tolist(), sets.sum(1).tolist(), strict=True))
    )


def coloring(inside: Inside, found: Projection, by: str, taken: dict[int, int], sure: dict[int, float]) -> Coloring:
    names = [*inside.class_names, "unknown"]
    paints = [*(colors.class_color(k) for k in range(len(inside.class_names))), colors.UNKNOWN]
    unknown = len(inside.class_names)
    ids = found.ids.tolist()
    if by == "taken":
        return Coloring("taken for", np.array([taken.get(i, unknown) for i in ids]), names, paints)
    if by == "right":
        verdict = [
            2 if truth < 0 or i not in taken else int(taken[i] != truth)
            for i, truth in zip(ids, found.labels.tolist(), strict=True)
        ]
        return Coloring(
            "right or wrong",
            np.array(verdict),
            ["right", "wrong", "unknown"],
            [colors.RIGHT, colors.WRONG, colors.UNKNOWN],
        )
    if by == "confidence":
        return Coloring("confidence", values=np.array([sure.get(i, np.nan) for i in ids]))
    if by == "part":
        return Coloring("part", found.part.astype(np.int64), PARTS, _PART_PAINTS)
    if by == "candidates":
        counts = candidate_counts(inside)
        most = max(counts.values(), default=1)
        return Coloring(
            "number of candidates",
            np.array([counts.get(i, 0) for i in ids]),
            ["none given", *map(str, range(1, most + 1))],
            [colors.UNKNOWN, *(colors.class_color(k) for k in range(most))],
        )
    return Coloring("true class", np.where(found.labels >= 0, found.labels, unknown), names, paints)


def tips(inside: Inside, found: Projection, taken: dict[int, int], sure: dict[int, float]) -> list[str]:
    names = [plain_text(name) for name in inside.class_names]
    lines = []
    for i, truth, part in zip(found.ids.tolist(), found.labels.tolist(), found.part.tolist(), strict=True):
        answer = f"<br>taken for {names[taken[i]]}, {formatting.percent(sure[i])} sure" if i in taken else ""
        lines.append(
            f"image {i}, {PARTS[part]}<br>" + (f"truly {names[truth]}" if truth >= 0 else "true class unknown") + answer
        )
    return lines
