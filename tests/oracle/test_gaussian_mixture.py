"""Semi-supervised EM: worked numbers in one dimension, scikit-learn's mixture without labels, and what must rise."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Theirs
from torch import Tensor

from engine.backbones.pixels import Pixels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolData
from engine.methods.semi_supervised.gaussian_mixture import (
    GaussianMixture,
    Mixture,
    allowed_components,
    log_joint,
    maximized,
)

LINE = torch.tensor([[-2.0], [2.0], [0.5], [-1.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1, -1, -1])
BEGIN = Mixture(
    torch.tensor([0.5, 0.5], dtype=torch.float64).log(),
    torch.tensor([[-1.0], [1.0]], dtype=torch.float64),
    torch.ones(2, 1, 1, dtype=torch.float64),
)


def params(**values: Any) -> GaussianMixture.Params:
    return GaussianMixture.Params(**{"covariance": "full", "regularization": 1e-6, **values})


def evidence(x: Tensor, labels: Tensor, mixture: Mixture) -> tuple[Tensor, Tensor]:
    allowed = allowed_components(labels, int(mixture.means.shape[0]), 1)
    joint = log_joint(x, mixture).masked_fill(~allowed, -torch.inf)
    total = joint.logsumexp(1)
    return total, (joint - total[:, None]).exp()


def test_one_iteration_on_a_line() -> None:
    total, shares = evidence(LINE, LABELS, BEGIN)
    assert float(total.sum()) == pytest.approx(-7.1331531565, abs=1e-9)
    np.testing.assert_allclose(
        shares, [[1.0, 0.0], [0.0, 1.0], [0.2689414214, 0.7310585786], [0.8807970780, 0.1192029220]], atol=1e-9
    )
    after = maximized(LINE, shares, BEGIN, params())
    np.testing.assert_allclose(after.log_weights.exp(), [0.5374346248, 0.4625653752], atol=1e-9)
    np.testing.assert_allclose(after.means[:, 0], [-1.2775164831, 1.2140588595], atol=1e-9)
    np.testing.assert_allclose(after.factors.square().flatten(), [0.6696430200, 0.8511213084], atol=1e-9)
    assert float(evidence(LINE, LABELS, after)[0].sum()) == pytest.approx(-6.8081864475, abs=1e-8)
    # Labeled images that may belong to any class: EM without labels.
    free, _ = evidence(LINE, torch.full((4,), -1), BEGIN)
    assert float(free.sum()) != pytest.approx(-7.1331531565, abs=0.01)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("full", "full"), ("tied", "tied"), ("diagonal", "diag"), ("spherical", "spherical")]
)
def test_without_labels_an_iteration_is_scikit_learns(ours: str, theirs: str) -> None:
    draws = np.random.default_rng(0)
    x = np.concatenate([draws.normal(0, 1, (60, 3)), draws.normal(2, 0.7, (40, 3))])
    means = np.array([[0.5, 0, 0], [1.5, 1, 1.0]])
    precisions: Any = {"full": np.tile(np.eye(3), (2, 1, 1)), "tied": np.eye(3), "diag": np.ones((2, 3))}
    estimator = Theirs(
        2,
        covariance_type=theirs,
        weights_init=[0.5, 0.5],
        means_init=means,
        precisions_init=precisions.get(theirs, np.ones(2)),
        reg_covar=1e-3,
        max_iter=3,
        tol=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(x)
    mixture = Mixture(
        torch.tensor([0.5, 0.5], dtype=torch.float64).log(),
        torch.as_tensor(means),
        torch.eye(3, dtype=torch.float64).expand(2, -1, -1),
    )
    for _ in range(3):
        _, shares = evidence(torch.as_tensor(x), torch.full((100,), -1), mixture)
        mixture = maximized(torch.as_tensor(x), shares, mixture, params(covariance=ours, regularization=1e-3))
    np.testing.assert_allclose(mixture.log_weights.exp(), estimator.weights_, atol=1e-9)
    np.testing.assert_allclose(mixture.means, estimator.means_, atol=1e-9)
    covariances = (mixture.factors @ mixture.factors.mT).numpy()
    expected: Any = estimator.covariances_
    if theirs == "diag":
        expected = np.stack([np.diag(row) for row in expected])
    elif theirs == "spherical":
        expected = np.stack([value * np.eye(3) for value in expected])
    np.testing.assert_allclose(covariances, np.broadcast_to(expected, (2, 3, 3)), atol=1e-9)


def fitted(
    labels_per_class: int = 4, steps: int = 40, absent: int | None = None, **values: Any
) -> tuple[GaussianMixture, list[float], float]:
    """On digits: the method, its likelihoods, and its accuracy on the images without a label."""
    images, truth = load_digits(return_X_y=True)
    images, truth = images[:600] / 16, truth[:600].astype(np.int64)
    labels = np.full(600, -1)
    for k in range(10):
        labels[np.flatnonzero(truth == k)[: 0 if k == absent else labels_per_class]] = k
    backbone = Pixels(Pixels.Params(), 1, 8)
    task = TaskSpec(10, 1, 8, {"all": 600, "labeled": int((labels >= 0).sum())}, 32)
    method = GaussianMixture(GaussianMixture.Params(**values), backbone, task)
    method.prepare(PoolData(torch.as_tensor(images).float(), torch.as_tensor(labels), torch.arange(600)))
    likelihoods = []
    for step in range(steps):
        result = method.iterate(StepContext(0, step, steps))
        likelihoods.append(float(result.scalars["mixture/log_likelihood"]))
        if result.converged:
            break
    answers = method.served().answer(torch.as_tensor(images).float()).argmax(1).numpy()
    return method, likelihoods, float((answers == truth)[labels < 0].mean())


@pytest.mark.parametrize("covariance", ["tied", "diagonal", "full"])
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_the_likelihood_of_labels_and_images_never_falls(covariance: str, weight: float) -> None:
    _, likelihoods, _ = fitted(covariance=covariance, unlabeled_weight=weight, regularization=1e-4)
    assert len(likelihoods) > 5
    assert np.diff(likelihoods).min() > -1e-3  # the regularization is no part of the likelihood
    assert likelihoods[-1] > likelihoods[0] + 0.5


def test_unlabeled_images_help_and_at_a_weight_of_0_they_do_nothing() -> None:
    _, _, both = fitted()
    alone, _, labels_only = fitted(unlabeled_weight=0.0)
    assert both > labels_only + 0.03
    truth = load_digits().target
    x = alone._x.numpy()
    means = np.stack([x[np.flatnonzero(truth[:600] == k)[:4]].mean(0) for k in range(10)])
    np.testing.assert_allclose(alone.get_buffer("means").numpy(), means, atol=1e-9)


def test_a_class_without_a_label_is_never_the_answer() -> None:
    method, _, _ = fitted(absent=3)
    images = torch.as_tensor(load_digits(return_X_y=True)[0][:600] / 16).float()
    logits = method.served().answer(images)
    assert torch.isfinite(logits).all()
    assert (logits.argmax(1) != 3).all()


def test_several_gaussians_of_a_class_share_its_images() -> None:
    method, likelihoods, accuracy = fitted(components=2, covariance="diagonal")
    assert method.get_buffer("means").shape == (20, 20)
    assert np.diff(likelihoods).min() > -1e-3
    assert accuracy > 0.6
    few, _, _ = fitted(labels_per_class=1, components=3, covariance="diagonal", steps=3)
    means = few.get_buffer("means")
    assert len(torch.unique(means.round(decimals=6), dim=0)) == 30
