"""One set of images that is being labeled: its log, its features, and what follows from both, without a screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.analysis.labeling.label_head import Head, Interval, Outlook, fit_head, interval, outlook, unit_features
from engine.analysis.labeling.suggestions import Pool, Strategy, Suggestion, suggest, suspects
from engine.analysis.metrics import Floats
from engine.data.image_set import ImageSet
from engine.data.labels.label_log import LabelLog
from engine.data.labels.label_records import HoldBack, Labels
from engine.data.labels.labeled_set import classes_of, numbered_labels

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_SEED = 20234
_QUICK, _REST = (
    0.3,
    3.0,
)  # seconds of learning that are never put off; of a longer one, so many times its length between


@dataclass(frozen=True)
class Standing:
    """What the labels so far say. Arrays are by the images' position.

    labels: int64 [N], -1 without one. held_back: bool [N]. closed: bool [N], labeled, excluded or skipped. head: None
    without features or labels. accuracy: of the head on held-back images with a label where there are any, else by
    cross-validation; None where there are too few labels. is_held_back: which of the two. largest: the share of the
    most frequent class among the labels. is_behind: whether the head has not learned from the last labels yet.
    """

    given: Labels
    classes: tuple[str, ...]
    labels: Ints
    held_back: Bools
    closed: Bools
    head: Head | None
    accuracy: Interval | None
    is_held_back: bool
    largest: float
    is_behind: bool

    @property
    def counts(self) -> list[int]:
        """Labels by class."""
        return [int(count) for count in np.bincount(self.labels[self.labels >= 0], minlength=len(self.classes))]

    @property
    def mistakes(self) -> Ints:
        """Positions of the images that `accuracy` counts as wrong, the most confident mistakes first."""
        if self.head is None or self.accuracy is None:
            return np.empty(0, np.int64)
        if self.is_held_back:
            rows = np.flatnonzero((self.labels >= 0) & self.held_back)
            truth, answers = self.labels[rows], self.head.probabilities[rows]
        else:
            assert self.head.cross is not None  # as accuracy is there
            rows, truth, answers = self.head.rows, self.head.labels, self.head.cross
        wrong = np.flatnonzero(answers.argmax(1) != truth)
        return rows[wrong[np.argsort(-answers[wrong].max(1), kind="stable")]]


@dataclass(frozen=True)
class _Learned:
    """head: of so many records. ended, seconds: when it had learned, and how long that and its outlook took."""

    head: Head
    classes: tuple[str, ...]
    number: int
    ended: float
    seconds: float


class Labeling:
    """Shared by all tabs of a server; safe between threads."""

    def __init__(self, images: ImageSet, log: LabelLog) -> None:
        self.images, self.log, self.names = images, log, images.file_names
        self.position = {name: row for row, name in enumerate(images.file_names)}
        self._lock = threading.Lock()
        self._pool: Pool | None = None
        self._standing: tuple[int, bool, Standing] | None = None
        self._learned: _Learned | None = None
        self._outlook: tuple[Head, Outlook] | None = None
        self._queues: dict[tuple[int, Strategy], list[Suggestion]] = {}  # of the standing, by their length

    @property
    def has_features(self) -> bool:
        return self._pool is not None

    def use_features(self, path: Path) -> None:
        """features: the file of float32 [N, D]."""
        with self._lock:
            if self._pool is None:
                self._pool = Pool(unit_features(np.load(path, mmap_mode="r", allow_pickle=False)))
                self._queues.clear()

    def standing(self) -> Standing:
        """As the log stands now; what it takes time to compute is computed once. Raises LabelError.

        The head learns after every label. Only of so many labels that it takes long, and while they come faster than it
        learns, it is that of some labels before, until `catch_up`.
        """
        with self._lock:
            given = self.log.labels()
            kept = self._standing
            if kept is None or kept[:2] != (given.number, self.has_features):
                kept = self._standing = (given.number, self.has_features, self._stand(given))
                self._queues.clear()
            return kept[2]

    def _stand(self, given: Labels) -> Standing:
        classes = classes_of(self.images, given)
        labels = numbered_labels(self.images, self.names, given)
        excluded = self._marks(given.excluded)
        labels[excluded] = -1
        held_back = self._marks(given.held_back)
        closed = (labels >= 0) | excluded | self._marks(given.skipped)
        head, accuracy = None, None
        learned, tested = np.flatnonzero((labels >= 0) & ~held_back), np.flatnonzero((labels >= 0) & held_back)
        if self._pool is not None and len(learned):
            head = self._learn(self._pool, learned, labels, classes, given.number)
            accuracy = head.accuracy
            if len(tested):
                accuracy = interval(int((head.predictions[tested] == labels[tested]).sum()), len(tested))
        known = labels[labels >= 0]
        largest = float(np.bincount(known).max() / len(known)) if len(known) else 0.0
        return Standing(
            given,
            classes,
            labels,
            held_back,
            closed,
            head,
            accuracy,
            bool(len(tested)) and head is not None,
            largest,
            is_behind=head is not None and self._learned is not None and self._learned.number != given.number,
        )

    def _learn(self, pool: Pool, rows: Ints, labels: Ints, classes: tuple[str, ...], number: int) -> Head:
        began, last = time.monotonic(), self._learned
        rests = last is not None and last.seconds > _QUICK and began < last.ended + _REST * last.seconds
        if last is not None and rests and last.classes == classes:
            return last.head
        head = fit_head(pool.features, rows, labels[rows], len(classes))
        ended = time.monotonic()
        self._learned = _Learned(head, classes, number, ended, ended - began)
        return head

    def catch_up(self) -> None:
        """Let the next standing learn from all labels, however long that takes."""
        with self._lock:
            if self._standing is not None and self._standing[2].is_behind:
                self._standing = self._learned = None

    def outlook(self) -> Outlook:
        """Accuracy against labels so far, and with ten more. Raises LabelError."""
        standing = self.standing()
        with self._lock:
            if standing.head is None or self._pool is None:
                return Outlook([], [], None)
            if self._outlook is None or self._outlook[0] is not standing.head:
                began, last = time.monotonic(), self._learned
                self._outlook = (standing.head, outlook(self._pool.features, standing.head, len(standing.classes)))
                if last is not None and last.head is standing.head:
                    ended = time.monotonic()
                    self._learned = replace(last, ended=ended, seconds=last.seconds + ended - began)
            return self._outlook[1]

    def queue(self, standing: Standing, count: int, strategy: Strategy) -> list[Suggestion]:
        """The next images to label, those of a test set that was held back first. Computed once for each standing."""
        with self._lock:
            if self._standing is None or self._standing[2] is not standing:  # another tab has labeled meanwhile
                return self._queue(standing, count, strategy)
            if (count, strategy) not in self._queues:
                self._queues[count, strategy] = self._queue(standing, count, strategy)
            return list(self._queues[count, strategy])

    def _queue(self, standing: Standing, count: int, strategy: Strategy) -> list[Suggestion]:
        waiting = [self.position[name] for name in standing.given.held_back if name in self.position]
        first = [Suggestion(row, "held_back") for row in waiting if not standing.closed[row]][:count]
        if first and strategy != "doubtful":
            return first
        labeled = np.flatnonzero(standing.labels >= 0)
        free = np.flatnonzero(~standing.closed & ~standing.held_back)
        if self._pool is None:
            drawn = np.random.default_rng(_SEED).permutation(len(self.names))
            return [Suggestion(int(row), "random") for row in drawn[np.isin(drawn, free)][:count]]
        return suggest(self._pool, standing.head, labeled, free, count, strategy, len(standing.classes))

    def nearest(self, row: int, count: int) -> list[int]:
        """Positions of the images most like this one, itself first."""
        with self._lock:
            if self._pool is None:
                return [row]
            likeness = self._pool.features @ self._pool.features[row]
            best = np.sort(np.argpartition(-likeness, min(count, len(likeness) - 1))[:count])
            return [int(k) for k in best[np.argsort(-likeness[best], kind="stable")]]

    def map(self) -> Floats | None:
        """[N, 2]: the two directions in which the features differ most."""
        with self._lock:
            return None if self._pool is None else self._pool.plane

    def labeled(self, standing: Standing) -> Ints:
        """Positions of the images with a label, the last labeled first; at the end those that came with one."""
        rows = np.flatnonzero(standing.labels >= 0)
        given = standing.given.given
        when = [given[self.names[row]].number if self.names[row] in given else 0 for row in rows]
        return rows[np.argsort(-np.array(when, np.int64), kind="stable")]

    def suspects(self, standing: Standing) -> Ints:
        """Positions of labels that the other labels contradict, the most doubtful first."""
        return suspects(standing.head) if standing.head is not None else np.empty(0, np.int64)

    def draw_test_set(self, count: int) -> HoldBack:
        """A random part of all images, the labeled ones among them, to be held back: what is measured on it then holds
        for all of them. Another one each time that something was said since. Raises LabelError.
        """
        drawn = np.random.default_rng((_SEED, count, self.log.labels().number)).permutation(len(self.names))[:count]
        return HoldBack(images=tuple(self.names[row] for row in drawn))

    def _marks(self, names: Iterable[str]) -> Bools:
        marks = np.zeros(len(self.names), bool)
        marks[[self.position[name] for name in names if name in self.position]] = True
        return marks
