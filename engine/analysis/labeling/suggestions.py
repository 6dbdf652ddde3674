"""Which images to label next, and why: typical and spread first, then where the head is least sure."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.labeling.label_head import Head
from engine.analysis.stratified import stratified
from engine.cores import one_thread

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int64]
Strategy = Literal["auto", "spread", "typical", "margin", "rare", "doubtful", "random"]

MOST_CANDIDATES = 4_000
"""Images that are weighed against each other; of more, a fixed draw stands for all."""
SPREAD_FIRST = 10
"""Labels for each class up to which "auto" spreads them."""
_NEAREST = 20  # TypiClust's neighborhood
_DIRECTIONS = 64
_MOST_CLUSTERS = 500
_MANY_CLUSTERS = 50  # above which its authors cluster by small batches
_BLOCKS = 32
_SEED = 20232
WHY: dict[str, str] = {
    "spread": "It stands for many images that no label is near yet.",
    "typical": "It is the most typical image of a group without a label.",
    "margin": "Two classes are almost equally likely for it.",
    "rare": "It looks like the class with the fewest labels.",
    "doubtful": "Its label is not what the other labels say it is.",
    "random": "It was drawn at random.",
    "held_back": "It is part of the test set, which is labeled first.",
}
"""Why an image is proposed, by the strategy that "auto" took, in one sentence."""


class Suggestion(NamedTuple):
    """row: of the image. strategy: a key of WHY."""

    row: int
    strategy: str


class Pool:
    """Features [N, D] of all images, each of length 1, with what is computed once for them.

    candidates: rows of the images that are weighed against each other.
    """

    def __init__(self, features: Floats) -> None:
        count = len(features)
        everywhere = np.zeros(count, np.int64)
        self.features = features
        self.candidates = stratified(np.arange(count), everywhere, everywhere > 0, MOST_CANDIDATES)

    @cached_property
    def kernel(self) -> Floats:
        """Gaussian of width 1 between the candidates, [n, n]."""
        return self.kernel_to_candidates(self.candidates)

    @cached_property
    def directions(self) -> Floats:
        """[D, d], d at most 64: those in which the candidates differ most, in falling order."""
        from scipy.linalg import eigh

        near = self.features[self.candidates]
        size = near.shape[1]
        # On a busy machine several threads wait for each other at every small step: 10 s in place of 0.2.
        with one_thread():
            _, vectors = eigh(near.T @ near, subset_by_index=(max(0, size - _DIRECTIONS), size - 1))
        directions: Floats = vectors[:, ::-1]
        return directions

    @cached_property
    def plane(self) -> Floats:
        """[N, 2]: the features along the first two directions."""
        plane: Floats = self.features @ self.directions[:, :2]
        return plane

    @cached_property
    def reduced(self) -> Floats:
        """[N, d]: the features along `directions`, which cluster as well and sooner; few features as they are."""
        reduced: Floats = self.features if self.features.shape[1] <= _DIRECTIONS else self.features @ self.directions
        return np.ascontiguousarray(reduced)

    def kernel_to_candidates(self, rows: Ints) -> Floats:
        """[len(rows), n]."""
        kernel: Floats = self.features[rows] @ self.features[self.candidates].T
        kernel -= 1  # |a - b|² = 2 - 2 cos
        return np.exp(kernel, out=kernel)


def suggest(
    pool: Pool,
    head: Head | None,
    labeled: Ints,
    open_rows: Ints,
    count: int,
    strategy: Strategy = "auto",
    classes: int = 0,
) -> list[Suggestion]:
    """Up to `count` of the rows that are open, the best first.

    labeled: rows with a label. open_rows: rows that may be proposed; for "doubtful" it is the labeled ones that are.
    auto: spread until there are ten labels for each of the `classes`, then by margin; every third for the rarest class
    while it has less than half of its share. (Margins help later than is often said: docs/RESULTS.md.)
    """
    if strategy == "auto":
        return _automatic(pool, head, labeled, open_rows, count, classes)
    if strategy == "doubtful":
        rows = labeled[:0] if head is None else suspects(head)[:count]
    elif strategy == "typical":
        rows = _typical(pool, labeled, open_rows, count)
    elif strategy == "random":
        rows = np.random.default_rng(_SEED + len(open_rows)).permutation(open_rows)[:count]
    elif head is None or strategy == "spread":
        strategy, rows = "spread", _spread(pool, labeled, open_rows, count)
    elif strategy == "margin":
        rows = open_rows[np.argsort(head.margins[open_rows], kind="stable")[:count]]
    else:
        rarest = int(np.bincount(head.labels, minlength=head.probabilities.shape[1]).argmin())
        rows = open_rows[np.argsort(-head.probabilities[open_rows, rarest], kind="stable")[:count]]
    return [Suggestion(int(row), strategy) for row in rows]


def _automatic(
    pool: Pool, head: Head | None, labeled: Ints, open_rows: Ints, count: int, classes: int
) -> list[Suggestion]:
    if head is None or len(labeled) < SPREAD_FIRST * max(2, classes):
        return suggest(pool, head, labeled, open_rows, count, "spread")
    by_margin = suggest(pool, head, labeled, open_rows, count, "margin")
    labels_of = np.bincount(head.labels, minlength=head.probabilities.shape[1])
    if labels_of.min() >= labels_of.mean() / 2:
        return by_margin
    mixed: dict[int, Suggestion] = {}
    rare = iter(suggest(pool, head, labeled, open_rows, count, "rare"))
    for k, suggestion in enumerate(by_margin):
        if k % 3 == 0:
            other = next(rare)
            mixed.setdefault(other.row, other)
        mixed.setdefault(suggestion.row, suggestion)
    return list(mixed.values())[:count]


def suspects(head: Head) -> Ints:
    """Labeled rows that confident learning counts as wrong (Northcutt et al. 2021, arXiv:1911.00068): a head that has
    not seen the label is as sure of another class as it is, on average, of that class's own images. Those come first
    whose own class is furthest behind.
    """
    if head.cross is None:
        return head.rows[:0]
    counts = np.bincount(head.labels, minlength=head.cross.shape[1])
    own = head.cross[np.arange(len(head.labels)), head.labels]
    sums = np.bincount(head.labels, own, minlength=head.cross.shape[1])
    usual = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    sure = np.where(head.cross >= usual - 1e-6, head.cross, -1)
    wrong = (sure.max(1) >= 0) & (sure.argmax(1) != head.labels)
    margin = own - head.cross.max(1)
    found: Ints = head.rows[wrong][np.argsort(margin[wrong], kind="stable")]
    return found


def _spread(pool: Pool, labeled: Ints, open_rows: Ints, count: int) -> Ints:
    """MaxHerding (Bae et al. 2024, arXiv:2407.12212): each next image raises most the generalized coverage, the mean
    over all images of the kernel to the nearest chosen one.
    """
    best = pool.kernel_to_candidates(labeled).max(0, initial=0)
    # Block by block, each of which fits into a processor's cache.
    gain = np.concatenate([np.maximum(block - best, 0).sum(1) for block in np.array_split(pool.kernel, _BLOCKS)])
    gain[~np.isin(pool.candidates, open_rows)] = -1
    last = np.zeros(len(gain), np.int64)  # in which round each gain was computed
    chosen: list[int] = []
    while len(chosen) < count and gain.max(initial=-1) >= 0:
        pick = int(gain.argmax())
        # With every chosen image the gain of the others can only fall: whose old gain is not the largest needs no look.
        if last[pick] < len(chosen):
            gain[pick], last[pick] = np.maximum(pool.kernel[pick] - best, 0).sum(), len(chosen)
            continue
        chosen.append(pick)
        gain[pick] = -1
        best = np.maximum(best, pool.kernel[pick])
    return pool.candidates[chosen]


def _typical(pool: Pool, labeled: Ints, open_rows: Ints, count: int) -> Ints:
    """TypiClust (Hacohen et al. 2022, arXiv:2202.02794): as many clusters as there are labels and wanted ones; from the
    largest without a label, each time the image whose nearest neighbors are closest.
    """
    from scipy.spatial.distance import cdist
    from sklearn.cluster import KMeans, MiniBatchKMeans

    near = pool.reduced[pool.candidates]
    wanted = min(len(labeled) + count, _MOST_CLUSTERS, len(near))
    algorithm = KMeans if wanted <= _MANY_CLUSTERS else MiniBatchKMeans
    with one_thread():
        fitted = algorithm(wanted, random_state=_SEED, n_init=1).fit(near)
    cluster = fitted.labels_
    has_label = np.zeros(wanted, np.int64)
    if len(labeled):
        np.add.at(has_label, fitted.predict(pool.reduced[labeled]), 1)
    sizes = np.bincount(cluster, minlength=wanted)
    free = np.isin(pool.candidates, open_rows)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        left = np.bincount(cluster[free], minlength=wanted) > 0
        order = np.lexsort((-sizes, has_label, ~left))
        k = order[0]
        members = np.flatnonzero(cluster == k)
        inside = cdist(near[members], near[members])
        neighbors = min(_NEAREST, len(members) - 1)
        typical = np.sort(inside, axis=1)[:, 1 : neighbors + 1].mean(1) if neighbors else np.zeros(1)
        distance = np.where(free[members], typical, np.inf)
        pick = int(members[np.argmin(distance)])
        chosen.append(pick)
        free[pick] = False
        has_label[k] += 1
    return pool.candidates[chosen]
