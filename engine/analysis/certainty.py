"""Whether a model is sure of an answer: its prediction set, and how far the image is from what it learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.conformal import COVERAGES, Conformal, conformal, labels_needed, prediction_sets
from engine.analysis.temperature import scaled
from engine.errors import RunError
from engine.runs.folder import PARTS, RunFolder
from engine.runs.stored_images import stored_images_of

LIKELY = 0.5
"""A calibrated probability from which an answer is more often right than wrong."""


class Decision(NamedTuple):
    """possible: the classes of the prediction set, most probable first; None where there are too few held-out labels
    for the coverage. likely: whether the most probable class is more probable than not. unfamiliar: whether the image
    is farther from every labeled one than is usual; None where that is not known.
    """

    possible: tuple[int, ...] | None
    likely: bool
    unfamiliar: bool | None

    @property
    def sure(self) -> bool | None:
        """Whether one class is possible and likely, and the image is not unfamiliar. None without a prediction set."""
        return None if self.possible is None else len(self.possible) == 1 and self.likely and not self.unfamiliar


@dataclass(frozen=True)
class Certainty:
    """What a model knows of its own sureness. conformal: from held-out labels, None without any. usual: distance to the
    nearest labeled image, as in LabeledFeatures.
    """

    conformal: Conformal | None = None
    usual: float | None = None

    @property
    def labels(self) -> int:
        """Held-out labels that the coverages are from."""
        return 0 if self.conformal is None else self.conformal.labels

    @property
    def coverages(self) -> tuple[float, ...]:
        """Those that can be promised, in rising order."""
        return () if self.conformal is None else tuple(sorted(self.conformal.cutoffs))

    def plain(self) -> dict[str, Any]:
        """For a file or a message; `read` takes it."""
        return {"conformal": None if self.conformal is None else self.conformal.plain(), "usual_distance": self.usual}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Certainty:
        conformal = plain["conformal"]
        return cls(None if conformal is None else Conformal.read(conformal), plain["usual_distance"])

    def decide(self, probabilities: NDArray[Any], distance: float | None, coverage: float) -> Decision:
        """probabilities: float [K], calibrated. distance: to the nearest labeled image."""
        cutoff = None if self.conformal is None else self.conformal.cutoffs.get(coverage)
        possible = None
        if cutoff is not None:
            order, inside = np.argsort(-probabilities, kind="stable"), prediction_sets(probabilities, cutoff)
            possible = tuple(int(k) for k in order if inside[k])
        unfamiliar = None if self.usual is None or distance is None else bool(distance > self.usual)
        return Decision(possible, bool(probabilities.max() >= LIKELY), unfamiliar)

    def too_few(self, coverage: float) -> str | None:
        """Why this coverage cannot be promised, as a sentence; None where it can."""
        if coverage in self.coverages:
            return None
        if coverage not in COVERAGES:
            return f"A coverage is one of {', '.join(f'{one:g}' for one in COVERAGES)}."
        return (
            f"A coverage of {coverage:.0%} needs {labels_needed(coverage)} labeled validation images, and this model"
            f" has {self.labels}."
        )


def conformal_of(folder: RunFolder) -> Conformal | None:
    """What a run's model file says; of one that was written before models said so, from the validation images of its
    last evaluation. None where neither knows of any.
    """
    about = folder.model_about()
    if "conformal" in about:
        try:
            return Conformal.read(about["conformal"])
        except ValueError:
            return None
    images, steps = stored_images_of(folder), folder.snapshot_steps()
    if not about or images is None or not steps:
        return None
    try:
        arrays = folder.whole_snapshot(steps[-1], ("ids", "part", "probabilities"))
    except RunError:  # damaged, or of a network without classes
        return None
    held_out = arrays["part"] == PARTS.index("validation")
    labels = images.true_labels(arrays["ids"][held_out])
    probabilities, known = arrays["probabilities"][held_out], labels >= 0
    if not known.any() or probabilities.shape[1] != len(images.class_names):
        return None
    return conformal(scaled(probabilities[known], folder.temperature() or 1.0), labels[known])
