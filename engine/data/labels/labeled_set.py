"""An image set as it stands with the labels of a log: what a run learns from, and what the Label page shows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.data.image_set import ImageSet, Known
from engine.data.labels.label_records import Labels

TEST_SHARE = 0.2
"""Of the labels of each class, where no images were held back."""


def with_labels(images: ImageSet, names: Sequence[str], given: Labels) -> ImageSet:
    """The set with the labels, classes, exclusions and test images of a log. names: of the image files, by position.

    Labels that the set brought itself count until the log says otherwise. The test set is what was held back and has a
    label; where nothing was, the set's own; where it has none, a fifth of each class, always the same images of it as
    labels are added. Images of the test set that have no label are seen by no run.
    """
    classes = classes_of(images, given)
    labels = numbered_labels(images, names, given)
    excluded = np.array([name in given.excluded for name in names], bool)
    is_test, is_validation = images.is_test & (images.labels >= 0), images.is_validation
    if given.held_back:
        held_back = set(given.held_back)
        is_test = np.array([name in held_back for name in names], bool)
        excluded |= is_test & (labels < 0)
        is_validation = None
    elif not is_test.any():
        is_test = _stable_test(names, np.where(excluded, -1, labels))
    labels[excluded] = -1
    is_test &= ~excluded
    if is_validation is not None:
        is_validation = is_validation & ~excluded
    labeled = replace(
        images,
        labels=labels,
        class_names=classes,
        is_test=is_test,
        is_validation=is_validation,
        is_excluded=excluded if excluded.any() else None,
        known=None,
        candidates=_renamed_candidates(images, given),
    )
    # The pixels are those of the set, whose hash is known: reading them all again would take seconds after each label.
    digest = hashlib.sha256(repr((images.content_hash, classes)).encode())
    own = [array for array in (is_validation, labeled.candidates) if array is not None]
    for array in (labels, is_test, excluded, *own):
        digest.update(np.ascontiguousarray(array).data)
    return replace(labeled, known=Known(digest.hexdigest()[:16], None, images.pixel_hash))


def _renamed_candidates(images: ImageSet, given: Labels) -> NDArray[np.bool_] | None:
    """By the classes of `classes_of`: one that is there no more is no candidate."""
    if images.candidates is None:
        return None
    number = {name: k for k, name in enumerate(classes_of(images, given))}
    columns = [number.get(given.renamed.get(name, name), -1) for name in images.class_names]
    renamed = np.zeros((len(images.labels), len(number)), bool)
    for old, new in enumerate(columns):
        if new >= 0:
            renamed[:, new] |= images.candidates[:, old]
    return renamed


def classes_of(images: ImageSet, given: Labels) -> tuple[str, ...]:
    """The classes of the set, by the names that they have now, and those of the log; or those of the log alone, where
    it lists them all.
    """
    own = () if given.is_list else (given.renamed.get(name, name) for name in images.class_names)
    return tuple(dict.fromkeys((*own, *given.classes)))


def numbered_labels(images: ImageSet, names: Sequence[str], given: Labels) -> NDArray[np.int64]:
    """[N]: each image's place among `classes_of`; -1 without a label. Exclusions are not looked at."""
    number = {name: k for k, name in enumerate(classes_of(images, given))}
    own = np.array([number.get(given.renamed.get(name, name), -1) for name in images.class_names] + [-1], np.int64)
    labels: NDArray[np.int64] = own[images.labels]
    for k, name in enumerate(names):
        if name in given.given:
            labels[k] = number[given.given[name].of]
    return labels


def _stable_test(names: Sequence[str], labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """A fifth of the labeled images of each class, those whose names come first by their hash: a label more changes the
    choice by one image at most.
    """
    chosen = np.zeros(len(labels), bool)
    for label in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == label).tolist()
        rows.sort(key=lambda row: hashlib.sha256(names[row].encode()).digest())
        chosen[rows[: round(TEST_SHARE * len(rows))]] = True
    return chosen
