"""How far an image is from the nearest labeled one: what tells an image of no class from an unclear one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.conformal import labels_needed, rank_of
from engine.errors import RunError
from engine.runs.folder import PARTS, RunFolder

Ids = NDArray[np.int64]
Features = NDArray[np.float32]
USUAL_SHARE = 0.95
"""Of images that are of the classes, the share that lies no farther than the usual distance."""


class LabeledFeatures(NamedTuple):
    """Of the labeled images: ids int64 [n], and features float32 [n, D] of length 1.

    usual: the cosine distance to the nearest labeled image that USUAL_SHARE of the held-out validation images stay
    within (the order statistic of split conformal prediction, which is right for a finite sample); None with too few.
    """

    ids: Ids
    features: Features
    usual: float | None

    def nearest(self, features: Features, count: int = 1) -> tuple[Ids, Features]:
        """Ids [N, count] of the nearest labeled images of features [N, D], the nearest first, and their cosine
        distances [N, count] from 0 to 2; fewer where there are not so many.
        """
        cosines = unit(features) @ self.features.T
        images = np.arange(len(cosines))
        found = np.empty((len(cosines), min(count, len(self.ids))), np.int64)
        distances = np.empty(found.shape, np.float32)
        for place in range(found.shape[1]):
            best = found[:, place] = cosines.argmax(1)
            distances[:, place] = np.maximum(0, 1 - cosines[images, best])
            cosines[images, best] = -np.inf
        return self.ids[found], distances


def labeled_features(folder: RunFolder, step: int | None = None) -> LabeledFeatures | None:
    """Of a run's evaluation at this step, or the last one; None if it has none, or no labeled image."""
    steps = folder.snapshot_steps()
    if not steps:
        return None
    try:
        arrays = folder.whole_snapshot(steps[-1] if step is None else step, ("ids", "part", "embeddings"))
    except RunError:  # a page that looks inside says what is wrong with it; a model answers without
        return None
    part, features = arrays["part"], unit(arrays["embeddings"].astype(np.float32))
    labeled = part == PARTS.index("labeled")
    if not labeled.any():
        return None
    found = LabeledFeatures(arrays["ids"][labeled], features[labeled], None)
    held_out = features[part == PARTS.index("validation")]
    if len(held_out) < labels_needed(USUAL_SHARE):
        return found
    distances = np.sort(found.nearest(held_out)[1][:, 0])
    return found._replace(usual=float(distances[rank_of(len(held_out), USUAL_SHARE) - 1]))


def unit(features: Features) -> Features:
    """Features [N, D] at length 1; those of length 0 stay."""
    scaled: Features = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return scaled
