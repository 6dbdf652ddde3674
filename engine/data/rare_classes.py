"""Classes with too few images to be learned or measured, in one sentence that is said before a run begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.config.parts import FewLabels, Labels
from engine.data.image_set import ImageSet
from engine.data.split import Ids, Split
from engine.id_positions import positions_of

_NAMED = 3  # classes that are named one by one
Counts = NDArray[np.int64]


def rare_classes(images: ImageSet, split: Split, labels: Labels) -> str:
    """Which classes have no labeled image, only one although more could have been had, or no test image; "" where no
    class is that rare. Of a run that learns without labels, only what its test images can measure.
    """
    if not images.classes:
        return ""
    labeled, tested = _counts(images, split.labeled), _counts(images, split.test)
    said = []
    if len(split.labeled):
        said.append(_have(images, labeled == 0, "no labeled image"))
        if not isinstance(labels, FewLabels) or labels.per_class > 1:
            said.append(_have(images, labeled == 1, "only 1 labeled image"))
    said.append(_have(images, tested == 0, "no test image") if tested.any() else "no class has a test image")
    sentence = ", ".join(words for words in said if words)
    if not sentence:
        return ""
    return f"{sentence[0].upper()}{sentence[1:]}: add images of them, or read their results with care."


def _counts(images: ImageSet, ids: Ids) -> Counts:
    """Images of each class among `ids`: int64 [K]."""
    labels = images.labels[positions_of(ids, images.ids)]
    return np.bincount(labels[labels >= 0], minlength=images.classes)


def _have(images: ImageSet, rare: NDArray[np.bool_], what: str) -> str:
    """ "classes 'ant' and 'bee' have no test image"; "" if there is none."""
    names = [repr(images.class_names[k]) for k in np.flatnonzero(rare)]
    if not names:
        return ""
    if len(names) == 1:
        return f"class {names[0]} has {what}"
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    return f"classes {', '.join(names[:-1])} and {names[-1]} have {what}"
