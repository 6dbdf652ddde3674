"""Nearest neighbors beside scikit-learn's classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from engine.backbones.pixels import Pixels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolData
from engine.methods.graph.knn import KNN


def digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A little noise, because of whole numbers some neighbors are equally far."""
    images, truth = load_digits(return_X_y=True)
    noise = np.random.default_rng(0).normal(0, 0.01, (400, 64))
    return images[:400] / 16 + noise, truth[:400].astype(np.int64)


def fitted(features: NDArray[np.float64], labels: NDArray[np.int64], **params: Any) -> KNN:
    backbone = Pixels(Pixels.Params(), 1, 8)
    counts = {"labeled": int((labels >= 0).sum()), "all": len(labels)}
    method = KNN(KNN.Params(**params), backbone, TaskSpec(10, 1, 8, counts, 32))
    pool = PoolData(torch.as_tensor(features).float(), torch.as_tensor(labels), torch.arange(len(labels)))
    method.prepare(pool)
    return method


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
def test_the_probabilities_are_those_of_scikit_learn(weights: str, k: int) -> None:
    images, truth = digits()
    labels = np.where(np.arange(400) < 100, truth, -1)
    method = fitted(images, labels, neighbors=k, weights=weights)
    ours = method.served().answer(torch.as_tensor(images).float()).exp().numpy()
    theirs = KNeighborsClassifier(k, weights=weights, algorithm="brute").fit(images[:100], truth[:100])
    # Among the images are the labeled ones: at a distance of 0, the image itself alone votes.
    np.testing.assert_allclose(ours, theirs.predict_proba(images), atol=1e-5)
    reported = method.iterate(StepContext(0, 0, 1))
    assert reported.converged
    assert reported.pseudo_labels is not None
    assert reported.pseudo_labels.ids.tolist() == list(range(100, 400))
    np.testing.assert_array_equal(reported.pseudo_labels.labels.numpy(), theirs.predict(images[100:]))


def test_unit_compares_directions_from_the_mean_of_all_images() -> None:
    images, truth = digits()
    labels = np.where(np.arange(400) < 100, truth, -1)
    centered = images - images.mean(0)
    directions = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    method = fitted(images, labels, neighbors=5, scaling="unit")
    ours = method.served().answer(torch.as_tensor(images).float()).exp().numpy()
    theirs = KNeighborsClassifier(5, weights="distance", algorithm="brute").fit(directions[:100], truth[:100])
    np.testing.assert_allclose(ours[100:], theirs.predict_proba(directions)[100:], atol=1e-4)


def test_with_fewer_labels_than_neighbors_all_of_them_vote() -> None:
    features = np.zeros((4, 64))
    features[:, 0] = [0, 1, 2, 5]
    method = fitted(features, np.array([3, 7, -1, -1]), neighbors=50, weights="uniform")
    shares = method.served().answer(torch.as_tensor(features).float()).exp()
    np.testing.assert_allclose(shares[:, [3, 7]].numpy(), 0.5, atol=1e-6)
