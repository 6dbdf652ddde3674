"""A run as far as it has been evaluated: its snapshots, each read and checked once, and its images; answers by id.

Pages ask here; nothing of it draws. The averaged network's predictions are meant
throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.candidate_weights import CandidateWeights, several_only
from engine.analysis.labeled_features import unit
from engine.analysis.prediction_history import PredictionHistory, changed_at, first_above, prediction_history
from engine.analysis.thresholds import PseudoLabelSet
from engine.errors import FewLabError, RunError
from engine.id_positions import find_ids
from engine.runs.folder import PARTS, RunFolder, Status
from engine.runs.store import Run
from engine.runs.stored_images import StoredImages, stored_images_of

Ids = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Snapshot:
    """One evaluation: ids int64 [n]; part uint8 [n], positions in PARTS; probabilities float [n, K], None of a network
    that has no classes.
    """

    ids: Ids
    part: NDArray[np.uint8]
    probabilities: Floats | None


@dataclass(frozen=True)
class Predictions:
    """Predictions for the images of one part at one evaluation.

    ids, true_labels: int64 [n], the latter -1 where unknown; probabilities: float [n, K].
    """

    step: int
    part: str
    ids: Ids
    probabilities: Floats
    true_labels: Ids

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def labels(self) -> Ids:
        """int64 [n]: the predicted classes."""
        return self.probabilities.argmax(1) if len(self.ids) else np.zeros(0, np.int64)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """[n]: the largest probability of each image."""
        return self.probabilities.max(1).astype(np.float64) if len(self.ids) else np.zeros(0)

    def with_known_label(self) -> Predictions:
        known = self.true_labels >= 0
        return Predictions(self.step, self.part, self.ids[known], self.probabilities[known], self.true_labels[known])

    def as_pseudo_labels(self) -> PseudoLabelSet:
        return PseudoLabelSet(self.ids, self.labels, self.confidence, self.true_labels)


class Neighbor(NamedTuple):
    """A labeled image near to another one: its id, the cosine of their features, and its label (-1 unknown)."""

    id: int
    cosine: float
    true_label: int


@dataclass(frozen=True)
class ImageHistory:
    """What a run's evaluations say of one image.

    steps, labels: int64 [E]; confidence: float [E]; only evaluations that have the image. probabilities: float [K],
    after `step`. nearest: the labeled images that are nearest in the features of `step`, nearest first.
    """

    id: int
    true_label: int
    step: int
    probabilities: Floats
    steps: Ids
    labels: Ids
    confidence: Floats
    nearest: tuple[Neighbor, ...]

    @property
    def changed_at(self) -> list[int]:
        """The steps at which the prediction changed."""
        return changed_at(self.steps, self.labels)

    def first_above(self, threshold: float) -> int | None:
        """The step from which the confidence stayed at or above `threshold`; None if it ends below."""
        return first_above(self.steps, self.confidence, threshold)

    def likeliest(self, count: int) -> list[tuple[int, float]]:
        """Classes and probabilities after `step`, the largest first."""
        order = np.argsort(-self.probabilities.astype(float), kind="stable")[:count]
        return [(int(k), float(self.probabilities[k])) for k in order]


class EvaluatedRun:
    """A run with at least one snapshot. Snapshots stay in memory up to a bound, and are read again when rewritten."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.steps = tuple(run.folder.snapshot_steps())
        if not self.steps:
            raise RunError(f"Run {run.id} has not been evaluated yet.")
        self._images: StoredImages | None = None
        self._snapshots = lru_cache(maxsize=32)(self._read_snapshot)
        self._belongs = lru_cache(maxsize=32)(self._check_belongs)
        self._features = lru_cache(maxsize=2)(self._read_features)
        self._projected = lru_cache(maxsize=2)(self._read_projected)
        self._histories = lru_cache(maxsize=4)(self._read_history)

    @property
    def id(self) -> str:
        return self.run.id

    @property
    def folder(self) -> RunFolder:
        return self.run.folder

    @property
    def config(self) -> dict[str, Any]:
        return self.run.config

    @property
    def status(self) -> Status:
        return self.run.status

    # the images

    @cached_property
    def content(self) -> str:
        """A hash of the images that the run learned from: sample ids mean the same in two runs only where it is the
        same. The run's own id where none was noted.
        """
        return self.folder.content_hash() or self.run.id

    @property
    def images(self) -> StoredImages | None:
        """None where they are not on this machine."""
        if self._images is None:  # asked again each time: another run may bring them back
            self._images = stored_images_of(self.folder)
        return self._images

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        if self.images is not None:
            return self.images.class_names
        probabilities = self.snapshot(self.steps[-1]).probabilities
        return tuple(f"class {k}" for k in range(0 if probabilities is None else probabilities.shape[1]))

    def true_labels(self, ids: Ids) -> Ids:
        """int64 [n]: the true classes of these images, -1 where they are unknown."""
        return np.full(len(ids), -1, np.int64) if self.images is None else self.images.true_labels(ids)

    def true_label(self, sample: int) -> int:
        """The true class of one image, -1 where it is unknown."""
        return int(self.true_labels(np.array([sample]))[0])

    def pixels(self, sample: int) -> NDArray[np.uint8]:
        """uint8 [C, H, W] of one image. Raises RunError where the images are not on this machine."""
        if self.images is None:
            raise RunError(f"The images of run {self.run.id} are not on this machine.")
        return np.asarray(self.images.images[int(self.images.rows(np.array([sample]))[0])])

    def with_same_images(self, runs: Sequence[Run]) -> list[Run]:
        """Of `runs` the others that learned from the very same images."""
        return [run for run in runs if run.id != self.run.id and run.folder.content_hash() == self.content]

    # the evaluations

    def snapshot(self, step: int) -> Snapshot:
        """Raises RunError if it is missing or damaged, or of other images than the run's."""
        written = self.folder.snapshot_written(step)
        if self.images is not None:
            self._belongs(step, written)
        return self._snapshots(step, written)

    @property
    def sampled(self) -> int:
        """How many images the last evaluation kept."""
        return len(self.snapshot(self.steps[-1]).ids)

    @property
    def has_projections(self) -> bool:
        """Whether the last evaluation kept the outputs of a projection head."""
        return self._projected(self.folder.snapshot_written(self.steps[-1]))

    def predictions(self, step: int, part: str) -> Predictions:
        """Predictions for the images of a part; none of a network without classes."""
        snapshot = self.snapshot(step)
        if snapshot.probabilities is None:
            none = np.zeros(0, np.int64)
            return Predictions(step, part, none, np.zeros((0, len(self.class_names)), np.float16), none)
        rows = snapshot.part == PARTS.index(part)
        ids = snapshot.ids[rows]
        return Predictions(step, part, ids, snapshot.probabilities[rows], self.true_labels(ids))

    def candidate_weights(self, step: int) -> CandidateWeights | None:
        """What a run with several possible labels believes of each; None of one that weighs no candidates. Raises
        RunError for a damaged snapshot, or one of other images than the run's.
        """
        self.snapshot(step)
        arrays = self.folder.snapshot(step, ("candidate_ids", "candidate_weights", "candidate_sets"))
        if len(arrays) < 3:
            return None
        if self.images is not None and not self.images.has(arrays["candidate_ids"]).all():
            raise RunError(f"The snapshot of step {step} of run {self.run.id} is not of the images it learned from.")
        truth = self.true_labels(arrays["candidate_ids"])
        return several_only(arrays["candidate_ids"], arrays["candidate_weights"], arrays["candidate_sets"], truth)

    def predictions_of(self, ids: Ids, step: int) -> tuple[Ids, NDArray[np.float64]]:
        """Predicted classes int64 [n] and confidences [n] of these images of whatever part; -1 and NaN where there is
        no prediction.
        """
        snapshot = self.snapshot(step)
        if snapshot.probabilities is None or not snapshot.probabilities.size:
            return np.full(len(ids), -1, np.int64), np.full(len(ids), np.nan)
        positions = find_ids(ids, snapshot.ids)
        rows = snapshot.probabilities[positions]
        there = positions >= 0
        return np.where(there, rows.argmax(1), -1), np.where(there, rows.max(1).astype(np.float64), np.nan)

    def prediction_history(self, part: str = "unlabeled") -> PredictionHistory:
        """Every image of a part that is in all evaluations that can be read."""
        return self._histories(part, self.folder.snapshot_written(self.steps[-1]))

    def nearest_labeled(self, step: int, sample: int, count: int) -> tuple[Neighbor, ...]:
        """The labeled images nearest to this one in the network's features, by cosine, nearest first."""
        ids, part, features = self._features(step, self.folder.snapshot_written(step))
        labeled = np.flatnonzero((part == PARTS.index("labeled")) & (ids != sample))
        own = np.flatnonzero(ids == sample)
        if not len(labeled) or not len(own):
            return ()
        cosines = features[labeled] @ features[own[0]]
        nearest = np.argsort(-cosines, kind="stable")[:count]
        ids = ids[labeled[nearest]]
        return tuple(
            map(
                Neighbor._make,
                zip(ids.tolist(), cosines[nearest].tolist(), self.true_labels(ids).tolist(), strict=True),
            )
        )

    def image_history(self, sample: int, step: int, neighbors: int = 6) -> ImageHistory | None:
        """None if the image is not in all evaluations, or without a prediction. Raises RunError for a damaged
        snapshot.
        """
        snapshot = self.snapshot(step)
        position = int(find_ids(np.array([sample]), snapshot.ids)[0])
        if position < 0 or snapshot.probabilities is None:
            return None
        history = self.prediction_history(PARTS[int(snapshot.part[position])])
        column = int(find_ids(np.array([sample]), history.ids)[0])
        if column < 0:
            return None
        return ImageHistory(
            sample,
            int(self.true_labels(np.array([sample]))[0]),
            step,
            snapshot.probabilities[position],
            history.steps,
            history.labels[:, column],
            history.confidence[:, column],
            self.nearest_labeled(step, sample, neighbors),
        )

    # what is read, once per time that a snapshot was written

    def _read_snapshot(self, step: int, written: int) -> Snapshot:
        arrays = self.folder.whole_snapshot(step, ("ids", "part"), ("probabilities",))
        return Snapshot(arrays["ids"], arrays["part"], arrays.get("probabilities"))

    def _check_belongs(self, step: int, written: int) -> None:
        snapshot, images = self._snapshots(step, written), self.images
        if images is None:
            return
        classes = len(images.class_names) if snapshot.probabilities is None else snapshot.probabilities.shape[1]
        if classes != len(images.class_names) or not images.has(snapshot.ids).all():
            raise RunError(
                f"The snapshot of step {step} of run {self.run.id} is not of the images that the run learned from:"
                " choose another evaluation."
            )

    def _read_features(self, step: int, written: int) -> tuple[Ids, NDArray[np.uint8], NDArray[np.float32]]:
        """Ids [n], parts [n] and features [n, D] of length 1."""
        arrays = self.folder.whole_snapshot(step, ("ids", "part", "embeddings"))
        return arrays["ids"], arrays["part"], unit(arrays["embeddings"].astype(np.float32))

    def _read_projected(self, written: int) -> bool:
        return "projections" in self.folder.snapshot(self.steps[-1], ("projections",))

    def _read_history(self, part: str, written: int) -> PredictionHistory:
        readable = {}
        for step in self.steps:
            try:
                predictions = self.predictions(step, part)
            except FewLabError:  # being rewritten by a resumed run
                continue
            if len(predictions):
                readable[step] = predictions
        return prediction_history(
            list(readable), [p.ids for p in readable.values()], [p.probabilities for p in readable.values()]
        )


def stamp(run: Run) -> tuple[Any, ...]:
    """Changes whenever an EvaluatedRun of `run` would be another one: with each snapshot, and when the run ends or is
    renamed.
    """
    steps = run.folder.snapshot_steps()
    return len(steps), run.folder.snapshot_written(steps[-1]) if steps else 0, run.status.state, run.name


def images_shown_by(run: Run, arrays: Mapping[str, NDArray[Any]]) -> StoredImages | None:
    """The run's images, if every id and class in these arrays of a snapshot is one of theirs; else None."""
    images = stored_images_of(run.folder)
    if images is None:
        return None
    classes = len(images.class_names)
    fits = (
        all(images.has(arrays[name]).all() for name in ("ids", "pseudo_ids", "candidate_ids") if name in arrays)
        and all(arrays[name].shape[1] == classes for name in ("probabilities", "candidate_sets") if name in arrays)
        and bool((arrays.get("pseudo_labels", np.zeros(0)) < classes).all())
    )
    return images if fits else None
