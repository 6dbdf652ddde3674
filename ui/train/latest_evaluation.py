"""What the newest evaluation of a run holds, while it may still be training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.evaluated_run import images_shown_by
from engine.analysis.thresholds import PseudoLabelSet
from engine.errors import FewLabError
from engine.runs.folder import RunFolder
from engine.runs.store import Run
from engine.runs.stored_images import StoredImages


@dataclass(frozen=True)
class LatestEvaluation:
    """arrays: of the snapshot after `step`. images: None where they are not on this machine, or are not the
    snapshot's.
    """

    run: Run
    step: int
    arrays: dict[str, NDArray[Any]]
    images: StoredImages | None

    def pseudo_labels(self) -> PseudoLabelSet:
        """Those of the last batches before it, in the order they were made; an image may be among them several times.
        Only where `arrays` has some.
        """
        ids = self.arrays["pseudo_ids"].astype(np.int64)
        labels, confidence = (self.arrays[f"pseudo_{what}"] for what in ("labels", "confidence"))
        return PseudoLabelSet(ids, labels.astype(np.int64), confidence.astype(float), true_labels(self.images, ids))


def latest_evaluation(run: Run) -> LatestEvaluation | None:
    """None before the first evaluation."""
    steps = run.folder.snapshot_steps()
    if not steps:
        return None
    try:
        arrays = _snapshot(run.id, steps[-1], run.folder.snapshot_written(steps[-1]), run.folder)
    except FewLabError:  # being rewritten by a resumed run
        return None
    return LatestEvaluation(run, steps[-1], arrays, images_shown_by(run, arrays))


def true_labels(images: StoredImages | None, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """-1 where they are unknown."""
    return images.true_labels(ids) if images is not None else np.full(len(ids), -1)


@st.cache_data(max_entries=16, show_spinner=False)
def _snapshot(run_id: str, step: int, written: int, _folder: RunFolder) -> dict[str, Any]:
    return _folder.snapshot(step)
