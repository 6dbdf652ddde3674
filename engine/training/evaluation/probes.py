"""Probes: what is measured, and finally served, where a method learns features and no classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.probes import LinearProbe, accuracy, choose_c, few_per_class, fit_linear, neighbor_votes, scale_of
from engine.data.image_set import ImageSet
from engine.derived_seed import derive

DRAWS = 5
NEIGHBOR_BUDGETS = (1, 5)
LINEAR_BUDGETS = (1, 5, 10)
NEIGHBORS = 20
CHOOSE_ON = 5_000  # labels that regularization is chosen with; the probe itself is then fitted to all
MOST_NUMBERS = 150_000_000  # features times labels that a probe is fitted to: 600 MB
PROTOCOL = (
    "Logistic regression on the features before the head, network in eval mode, no augmentation; standardized with all"
    " training images; regularization chosen on validation images, never on test."
)

Floats = NDArray[np.float32]
Positions = NDArray[np.int64]
Features = Callable[[Positions], Floats]
GoesOn = Callable[[], bool]
"""Asked after each measurement that takes long: whether the next one is wanted too."""


class FittedProbe(NamedTuple):
    """The full linear probe, the metrics of all probes, and what model.safetensors says about the probe it carries."""

    probe: LinearProbe
    metrics: dict[str, float]
    about: dict[str, Any]


class ProbeSuite:
    """Nearest neighbors and linear probes on features of the training images; which labels they get follows from the
    data alone, never from the seed.

    positions: rows of the image set by part; training images are those of "labeled" and "unlabeled". A few labels per
    class means DRAWS fixed draws, and metrics are means over them. A draw passes over what the run holds back for
    validation.
    """

    def __init__(self, images: ImageSet, positions: Mapping[str, Positions]) -> None:
        self._labels, self._classes, self._images = images.labels, images.classes, images.images
        self._train = np.concatenate([positions["labeled"], positions["unlabeled"]])
        self._train = self._train[self._labels[self._train] >= 0]
        self._parts = {part: positions[part][self._labels[positions[part]] >= 0] for part in ("validation", "test")}
        order = np.argsort(images.ids, kind="stable").argsort(kind="stable")
        # The rank of every image in every draw, by its id.
        self._ranks = [
            np.random.default_rng(derive(0, f"probe/{draw}")).permutation(len(order))[order] for draw in range(DRAWS)
        ]

    @property
    def labels(self) -> int:
        """Training images with a label."""
        return len(self._train)

    def neighbors(
        self, features: Mapping[str, Floats], positions: Mapping[str, Positions], of: str = ""
    ) -> dict[str, float]:
        """`<part>/knn_<n>_per_class`: the nearest image's label by cosine, mean over the draws. `<part>/knn_full`:
        NEIGHBORS weighted votes.

        features: [n, D] of the images at `positions`, by part. of: added to the names. Empty where no training image
        has a label.
        """
        given = [part for part in ("labeled", "unlabeled") if part in features]
        at = np.concatenate([positions[part] for part in given]) if given else self._train[:0]
        known = self._labels[at] >= 0
        at = at[known]
        if not len(at):
            return {}
        bank, labels = np.concatenate([features[part] for part in given])[known], self._labels[at]
        metrics = {}
        for part in ("validation", "test"):
            if part not in features:
                continue
            asked = self._labels[positions[part]] >= 0
            queries, truth = features[part][asked], self._labels[positions[part]][asked]
            if not len(truth):
                continue
            for count in NEIGHBOR_BUDGETS:
                draws = [few_per_class(labels, rank[at], count) for rank in self._ranks]
                metrics[f"{part}/knn_{count}_per_class{of}"] = _mean(
                    accuracy(neighbor_votes(bank[d], labels[d], queries, self._classes, 1), truth) for d in draws
                )
            # More than the square root of the bank would ask for the class's frequency instead of the neighborhood.
            k = max(1, min(NEIGHBORS, int(len(at) ** 0.5)))
            metrics[f"{part}/knn_full{of}"] = accuracy(neighbor_votes(bank, labels, queries, self._classes, k), truth)
        return metrics

    def linear(self, features: Features, of: str = "", goes_on: GoesOn = lambda: True) -> FittedProbe:
        """`<part>/linear_full` and `<part>/linear_<n>_per_class`, as in PROTOCOL. features: positions to [n, D]. of:
        added to the names. Where it does not go on, budgets are missing, but never the full probe.

        There must be a training image with a label.
        """
        train = features(self._train)
        labels, scale = self._labels[self._train], scale_of(train)
        parts = {part: (features(at), self._labels[at]) for part, at in self._parts.items() if len(at)}
        validation = parts.get("validation", (train[:0], labels[:0]))
        by_rank = self._ranks[0][self._train].argsort()
        used = np.sort(by_rank[: max(1, MOST_NUMBERS // train.shape[1])])
        chosen_on = [np.sort(by_rank[: min(CHOOSE_ON, len(used))])]
        full_c = choose_c(train, labels, self._classes, scale, chosen_on, validation)
        full = fit_linear(train[used], labels[used], self._classes, scale, full_c)
        metrics: dict[str, float] = {}
        each: dict[str, list[float]] = {}
        for count in LINEAR_BUDGETS:
            if not goes_on():
                break
            draws = [few_per_class(labels, rank[self._train], count) for rank in self._ranks]
            c = choose_c(train, labels, self._classes, scale, draws, validation)
            fitted = [fit_linear(train[rows], labels[rows], self._classes, scale, c) for rows in draws]
            for part, (queries, truth) in parts.items():
                name = f"{part}/linear_{count}_per_class{of}"
                each[name] = [accuracy(probe.logits(queries), truth) for probe in fitted]
                metrics[name] = _mean(each[name])
        metrics |= {
            f"{part}/linear_full{of}": accuracy(full.logits(queries), truth) for part, (queries, truth) in parts.items()
        }
        about = {
            "name": "linear_full",
            "labels": len(used),
            "validation_labels": len(validation[1]),
            "c": full_c,
            "protocol": PROTOCOL,
            "draws": each,
        }
        return FittedProbe(full, metrics, about)

    def pixels(self, positions: Positions) -> Floats:
        """The images themselves as features, 0 to 1: [n, C * H * W]."""
        return self._images[positions].reshape(len(positions), -1).astype(np.float32) / np.float32(255)


def _mean(values: Any) -> float:
    return float(np.mean(list(values)))
