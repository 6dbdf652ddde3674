"""Candidate sets: for each image the labels it may have, the true one always among them."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Candidates = NDArray[np.bool_]


def uniform_candidates(
    labels: NDArray[np.int64], classes: int, rate: float, rng: np.random.Generator, repair: bool
) -> Candidates:
    """Each wrong label joins the true one with probability `rate`, by itself.

    labels: int64 [n], 0..K-1. Returns bool [n, K]. With `repair`, an image that no wrong label joined gets one at
    random (PRODEN, Lv et al. 2020, arXiv:2002.08053, section 4.1); without, some sets hold the true label alone (PiCO,
    Wang et al. 2022, arXiv:2201.08984).
    """
    n = len(labels)
    sets = rng.random((n, classes)) < rate
    forced = (
        labels + rng.integers(1, classes, n)
    ) % classes  # a wrong label each; drawn always, so that `repair` changes no other draw
    rows = np.arange(n)
    sets[rows, labels] = True
    if repair:
        alone = sets.sum(1) == 1
        sets[rows[alone], forced[alone]] = True
    return sets


def drawn_candidates(
    labels: NDArray[np.int64], inclusion: NDArray[np.float64], rng: np.random.Generator, repair: bool
) -> Candidates:
    """Each wrong label joins the true one with a probability of its own, by itself.

    labels: int64 [n], 0..K-1. inclusion: [n, K], probabilities; those of the true labels are not read. Returns bool [n,
    K]. With `repair`, an image that no wrong label joined gets one, in proportion to these probabilities; where all of
    them are 0, any wrong one.
    """
    n, classes = inclusion.shape
    rows = np.arange(n)
    sets = rng.random((n, classes)) < inclusion
    chance = rng.random((n,))  # drawn always, so that `repair` changes no other draw
    sets[rows, labels] = True
    if repair:
        weights = inclusion.copy()
        weights[rows, labels] = 0
        weights[weights.sum(1) == 0] = 1
        weights[rows, labels] = 0
        upto = weights.cumsum(1)
        forced = (upto <= chance[:, None] * upto[:, -1:]).sum(1)
        alone = sets.sum(1) == 1
        sets[rows[alone], forced[alone]] = True
    return sets


def neighbor_matrix(classes: int, rate: float) -> NDArray[np.float64]:
    """[K, K], probabilities with which the labels of a row's class come: 1 for itself, `rate` for the class before and
    after it in the order of the classes, the last one before the first, else 0 (Wen et al. 2021, arXiv:2106.05731, case
    2, where the rate is 0.3).
    """
    matrix: NDArray[np.float64] = np.eye(classes)
    own = np.arange(classes)
    for step in (-1, 1):
        beside = (own + step) % classes
        matrix[own, beside] = np.where(beside == own, 1.0, rate)
    return matrix


def instance_inclusion(
    log_probabilities: NDArray[np.float64], labels: NDArray[np.int64], rule: Literal["paper", "code"], rate: float
) -> NDArray[np.float64]:
    """Probabilities [n, K] with which labels join an image's true one, by what a network finds likely (VALEN, Xu et al.
    2021, arXiv:2110.12911): 1 for the true label.

    log_probabilities: [n, K], of that network. paper: p of the largest wrong p, which is 1. code: the rate times p
    divided by the mean over all K of the wrong p, at most 1.
    """
    rows, classes = np.arange(len(labels)), log_probabilities.shape[1]
    wrong = log_probabilities.copy()
    wrong[rows, labels] = -np.inf
    # In logarithms: of a network that is sure, all wrong ones underflow.
    relative: NDArray[np.float64] = np.exp(wrong - wrong.max(1, keepdims=True))
    if rule == "code":
        relative = np.minimum(1, rate * classes * relative / relative.sum(1, keepdims=True))
    relative[rows, labels] = 1
    return relative
