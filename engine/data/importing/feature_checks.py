"""What is worth a look by what a pretrained network sees in the images: labels that the others contradict, and images
unlike all others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.analysis.labeling.label_head import fit_head, unit_features
from engine.analysis.labeling.suggestions import suspects
from engine.analysis.neighbors import nearest_neighbors
from engine.data.image_set import ImageSet
from engine.data.importing.image_checks import Issue, issue_of

Floats = NDArray[np.floating[Any]]
NEIGHBORS = 10
TRUSTED = 0.5
"""The share of the labels that a head must agree with for its doubts to be worth a click: below, most are its own
mistakes.
"""
FAR_OUT = 3.0
"""Interquartile ranges above the third quartile: Tukey's outer fence (Exploratory Data Analysis, 1977)."""


def check_features(images: ImageSet, features: Floats) -> list[Issue]:
    """features: [N, D] of all images."""
    unit = unit_features(features)
    return [*_wrong_labels(images, unit), *_outliers(images, unit)]


def _wrong_labels(images: ImageSet, unit: Floats) -> list[Issue]:
    """By confident learning over five folds of all labels there are, whatever their part."""
    rows = np.flatnonzero(images.labels >= 0)
    if len(rows) < 2:
        return []
    head = fit_head(unit, rows, images.labels[rows], images.classes)
    found = suspects(head)
    if not len(found) or head.accuracy is None:
        return []
    names = [images.file_names[row] for row in found]
    what = "label is" if len(found) == 1 else "labels are"
    agrees = head.accuracy.accuracy
    doubt = "" if agrees >= TRUSTED else ", so most of these doubts are its own mistakes: none is left out by a click"
    sentence = (
        f"{len(found):,} {what} likely wrong: to a network that was trained on photos they look like another class. It"
        f" agrees with {agrees:.0%} of all labels{doubt}."
    )
    return [issue_of("likely_wrong_labels", sentence, [[name] for name in names], names if agrees >= TRUSTED else [])]


def _outliers(images: ImageSet, unit: Floats) -> list[Issue]:
    """By their mean distance from the nearest ten, against that of the others."""
    if len(unit) <= NEIGHBORS:
        return []
    far = nearest_neighbors(unit, NEIGHBORS).distances.mean(1)
    low, high = np.percentile(far, (25, 75))
    rows = np.flatnonzero(far > high + FAR_OUT * (high - low))
    if not len(rows):
        return []
    names = [images.file_names[row] for row in rows[np.argsort(-far[rows], kind="stable")]]
    what = "1 image is" if len(names) == 1 else f"{len(names):,} images are"
    return [issue_of("outliers", f"{what} unlike all others.", [[name] for name in names], names)]
