"""Split: which images are labeled, unlabeled, validation and test, from a seed and a label budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.config.parts import DataParams, FewLabels, NoLabels, PartialLabels
from engine.data.candidate_labels import Candidates, drawn_candidates, neighbor_matrix, uniform_candidates
from engine.data.image_set import ImageSet
from engine.derived_seed import derive
from engine.errors import ConfigError

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Sample ids of each part, in the order that `rows` of the parts refer to.

    pool is every training image, the labeled ones included: what the unlabeled stream draws from (FixMatch's authors
    do the same). candidates: bool [len(pool), K], the possible labels of each image of the pool, where the data has
    partial labels; no label is known then.
    """

    labeled: Ids
    pool: Ids
    validation: Ids
    test: Ids
    candidates: Candidates | None = None

    @property
    def unlabeled(self) -> Ids:
        """The ids of `pool` whose labels are hidden."""
        return self.pool[~np.isin(self.pool, self.labeled)]

    def pools(self) -> dict[str, Ids]:
        """The ids that a stream can draw from, by the name of its pool."""
        return {"labeled": self.labeled, "unlabeled": self.pool, "unlabeled_only": self.unlabeled, "all": self.pool}


SetsOf = Callable[[NDArray[np.int64], np.random.Generator], Candidates]
"""Positions [n] of images and a source of chance to their candidate sets, bool [n, K]."""


def make_split(images: ImageSet, params: DataParams, sets_of: SetsOf | None = None) -> Split:
    """Draw a class-balanced split. The test part never changes; validation and labels follow `params.split_seed`. A set
    with validation images of its own keeps those, and nothing is held out. Without labels, `labeled` is empty. sets_of:
    makes the candidate sets that follow from more than the labels.

    The draws are nested: with one seed, 4 labels per class contain the 2 labels per class. Raises ConfigError if a
    class has too few images for exactly as many labels as are asked for, and where labels are asked of images without
    any.
    """
    if images.classes == 0 and not isinstance(params.labels, NoLabels):
        raise ConfigError(
            "None of the images has a label: put the images of each class into a folder of its own, such as cat/1.jpg"
            " and dog/1.jpg, or choose a method that learns without labels, such as simclr."
        )
    rng = np.random.default_rng(params.split_seed)
    labels, ids = images.labels, images.ids
    train = np.flatnonzero(images.is_training)
    by_class = [rng.permutation(train[labels[train] == k]) for k in range(images.classes)]
    if images.is_validation is None:
        held_out = [rows[: round(params.validation * len(rows))] for rows in by_class]
        rest = [rows[len(part) :] for rows, part in zip(by_class, held_out, strict=True)]
    else:
        held_out, rest = [np.flatnonzero(images.is_validation)], by_class
    unknown = train[labels[train] < 0]
    candidates: Candidates | None = None
    pool = np.sort(np.concatenate([*rest, unknown]))
    if isinstance(params.labels, FewLabels):
        wanted = params.labels.per_class
        for name, rows in zip(images.class_names, rest, strict=True):
            if len(rows) < wanted and not params.labels.at_most:
                asked = "1 label per class is" if wanted == 1 else f"{wanted} labels per class are"
                raise ConfigError(
                    f"{asked} asked for, but class {name!r} has {len(rows)} training"
                    f" image{'' if len(rows) == 1 else 's'}: {_way_out(min(map(len, rest)))}."
                )
        labeled = np.concatenate([rows[:wanted] for rows in rest])
    elif isinstance(params.labels, PartialLabels):
        if len(unknown) and params.labels.generator != "given":
            without = "1 training image has" if len(unknown) == 1 else f"{len(unknown)} training images have"
            raise ConfigError(
                f"Candidate labels are drawn around the true one, but {without} none: choose few labels instead."
            )
        labeled = np.empty(0, np.int64)
        # A stream of its own: another rate or generator leaves the split as it is.
        chance = np.random.default_rng(derive(params.split_seed or 0, "candidates"))
        if sets_of is not None:
            candidates = sets_of(pool, chance)
        elif params.labels.generator == "given":
            candidates = _given(images, pool)
        else:
            candidates = _by_labels(labels[pool], images.classes, params.labels, chance)
    else:
        labeled = train[:0] if isinstance(params.labels, NoLabels) else np.concatenate(rest)
    return Split(
        ids[np.sort(labeled)],
        ids[pool],
        ids[np.sort(np.concatenate([*held_out, train[:0]]))],
        ids[images.is_test],
        candidates,
    )


def _given(images: ImageSet, pool: NDArray[np.int64]) -> Candidates:
    """The labels that came with the images: one, several, or, of an image without any, all that there are."""
    if images.candidates is None:
        raise ConfigError(
            "data.labels.generator is 'given', but no image has several labels: write them into one column of the table"
            " beside the images, with ; or | between them, or choose another generator."
        )
    labels, sets = images.labels[pool], images.candidates[pool]
    sets = np.where(sets.any(1, keepdims=True), sets, True)
    known = labels >= 0
    sets[known] = np.eye(images.classes, dtype=bool)[labels[known]]
    return sets


def _by_labels(
    labels: NDArray[np.int64], classes: int, params: PartialLabels, chance: np.random.Generator
) -> Candidates:
    if params.generator == "confusable":
        return drawn_candidates(labels, neighbor_matrix(classes, params.rate)[labels], chance, params.repair)
    return uniform_candidates(labels, classes, params.rate, chance, params.repair)


def _way_out(fewest: int) -> str:
    fewer = f"ask for at most {fewest}, or " if fewest else ""
    return f"{fewer}switch data.labels.at_most on"
