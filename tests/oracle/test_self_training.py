"""Self-training: which predictions become labels, beside scikit-learn's wrapper around the same classifier, and what an
accepted label counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.semi_supervised import SelfTrainingClassifier
from torch import Tensor
from torch.nn import functional as F

from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolPass
from engine.methods.semi_supervised.self_training import SelfTraining, accept
from tests.oracle.worked_candidates import Given, gradient_at_the_logits

Params = SelfTraining.Params


def probabilities(*confidences: float) -> Tensor:
    """Of two classes: the first one where a number is positive, the second one where it is negative."""
    first = torch.tensor([c if c > 0 else 1 + c for c in confidences], dtype=torch.float64)
    return torch.stack((first, 1 - first), 1)


def accepted(
    number: int, given: list[bool], *confidences: float, before: list[int] | None = None, **params: Any
) -> Any:
    labels = torch.tensor(before or [-1] * len(confidences))
    made = accept(
        probabilities(*confidences), torch.tensor(given), labels, torch.zeros(len(labels)), number, Params(**params)
    )
    return made.labels.tolist()


def test_a_prediction_must_be_above_the_threshold_not_at_it() -> None:
    assert accepted(1, [False] * 4, 0.75, 0.76, -0.9, -0.6, select="threshold") == [-1, 0, 1, -1]


def test_the_threshold_moves_in_equal_steps_from_round_to_round() -> None:
    moving: Any = {"select": "threshold", "threshold": 0.9, "threshold_end": 0.6, "rounds": 5}
    found = [accepted(number, [False] * 4, 0.95, 0.85, 0.75, 0.65, **moving) for number in (1, 2, 3, 4)]
    assert [labels.count(0) for labels in found] == [1, 2, 3, 4]


def test_a_given_label_is_never_predicted_and_an_accepted_one_may_stay() -> None:
    assert accepted(1, [True, False, False, False], 0.99, 0.9, -0.8, 0.6, portion=0.3)[0] == -1
    kept = accepted(2, [False] * 4, -0.9, 0.8, 0.7, 0.6, before=[0, -1, -1, -1], portion=0.25, revise=False)
    assert kept == [0, 0, -1, -1]
    anew = accepted(2, [False] * 4, -0.9, 0.8, 0.7, 0.6, before=[0, -1, -1, -1], portion=0.25)
    assert anew == [1, 0, -1, -1]


def test_curriculum_labeling_keeps_a_larger_share_in_each_round_and_at_last_all() -> None:
    """Cascante-Bonilla et al. 2021: those above the percentile 100 - Δr of the confidences."""
    draws = np.random.default_rng(0)
    confidence = draws.uniform(0.5, 1, 50)
    for number in range(1, 6):
        labels = accepted(number, [False] * 50, *confidence)
        cut = np.percentile(confidence, 100 - 20 * number)
        expected = confidence > cut if number < 5 else np.ones(50, bool)
        assert [label == 0 for label in labels] == expected.tolist()


def test_balanced_takes_as_many_of_each_predicted_class() -> None:
    labels = accepted(1, [False] * 6, 0.99, 0.98, 0.97, 0.96, -0.6, -0.55, portion=0.66, balanced=True)
    assert labels == [0, 0, -1, -1, 1, 1]
    assert accepted(1, [False] * 6, 0.99, 0.98, 0.97, 0.96, -0.6, -0.55, portion=0.66) == [0, 0, 0, 0, -1, -1]


def digits() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    images, truth = load_digits(return_X_y=True)
    images, truth = images[:300] / 16, truth[:300].astype(np.int64)
    labels = np.full(300, -1)
    for k in range(10):
        labels[np.flatnonzero(truth == k)[:3]] = k
    return images, truth, labels


@pytest.mark.parametrize(
    ("theirs", "ours", "rounds"),
    [
        ({"criterion": "threshold", "threshold": 0.6}, {"select": "threshold", "threshold": 0.6}, 5),
        ({"criterion": "k_best", "k_best": 27}, {"select": "best", "portion": 0.1}, 5),
    ],
)
def test_with_labels_that_stay_it_accepts_what_scikit_learn_does(
    theirs: dict[str, Any], ours: dict[str, Any], rounds: int
) -> None:
    images, _, labels = digits()
    wrapper = SelfTrainingClassifier(LogisticRegression(max_iter=500), max_iter=rounds - 1, **theirs)
    wrapper.fit(images, labels)
    params = Params(**ours, revise=False, rounds=rounds)
    mine, confidence, given = torch.full((300,), -1), torch.zeros(300), torch.as_tensor(labels >= 0)
    for number in range(1, rounds):
        known = np.where(labels >= 0, labels, mine.numpy())
        fitted = LogisticRegression(max_iter=500).fit(images[known >= 0], known[known >= 0])
        mine, confidence = accept(
            torch.as_tensor(fitted.predict_proba(images)), given, mine, confidence, number, params
        )
    assert np.array_equal(np.where(labels >= 0, labels, mine.numpy()), wrapper.transduction_)


POOL = 6


def built(**params: Any) -> SelfTraining:
    """On given logits [3, 4]: one labeled image, two of the pool of six."""
    draws = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    counts = {"labeled": 2, "unlabeled": POOL, "all": POOL}
    made = SelfTraining(Params(**params), Given(draws), TaskSpec(4, 1, 8, counts, 1))
    with torch.no_grad():
        made.classifier.head.weight.copy_(torch.eye(4))
        made.classifier.head.bias.zero_()
    return made


def batch(row: int = 0) -> dict[str, StreamBatch]:
    view = {"weak": torch.zeros(1, 1, 8, 8)}
    pool = {"weak": torch.zeros(2, 1, 8, 8)}
    return {
        "labeled": StreamBatch(torch.tensor([10 + row]), torch.tensor([row]), torch.tensor([2]), view),
        "unlabeled": StreamBatch(torch.tensor([13, 14]), torch.tensor([3, 4]), None, pool),
    }


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_the_loss_is_the_mean_over_all_images_that_have_a_label(weight: float) -> None:
    method = built(unlabeled_weight=weight)
    method.labels[3], method.labels[5] = 1, 0  # of the batch's two images of the pool the first one is accepted
    result = method.step(batch(), StepContext(0, 0, 10))
    rows = method.get_parameter("backbone.logits").detach()
    of_labeled = F.cross_entropy(rows[:1], torch.tensor([2]))
    of_accepted = F.cross_entropy(rows[1:2], torch.tensor([1])) / 2  # mean over the two: 2 of 6 are accepted
    expected = (2 * of_labeled + weight * POOL * of_accepted) / (2 + weight * 2)
    assert float(result.loss.detach()) == pytest.approx(float(expected), abs=1e-6)
    result.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    grad = gradient_at_the_logits(method)
    assert (grad[:2].abs().sum(1) > 0).all()
    assert torch.equal(grad[2], torch.zeros(4))
    assert float(result.scalars["mask_rate"]) == 0.5


def test_a_round_begins_from_the_initial_weights_with_labels_of_the_trained_ones() -> None:
    method = built(portion=0.5, rounds=3)
    for row in (0, 1):
        method.step(batch(row), StepContext(0, row, 10))  # from here on it knows that 10 and 11 are labeled
    with torch.no_grad():
        method.classifier.head.bias.fill_(1.0)
    asked: list[float] = []

    def predict(network: torch.nn.Module) -> tuple[Tensor, Tensor]:
        asked.append(float(network.get_parameter("head.bias")[0].detach()))
        sure = torch.tensor([0.99, 0.98, 0.7, 0.9, 0.6, 0.8])
        return torch.zeros(POOL, 4), torch.stack((sure, 1 - sure, sure * 0, sure * 0), 1)

    method.begin_round(1, StepContext(0, 4, 10), PoolPass(torch.arange(10, 10 + POOL), predict))
    assert asked == [1.0]
    assert method.labels.tolist() == [-1, -1, -1, 0, -1, 0]  # half of the four that are not labeled
    assert torch.equal(method.classifier.head.bias, method.untrained.head.bias)
    goes_on = built(restart=False)
    with torch.no_grad():
        goes_on.classifier.head.bias.fill_(1.0)
    goes_on.begin_round(1, StepContext(0, 4, 10), PoolPass(torch.arange(10, 10 + POOL), predict))
    assert goes_on.classifier.head.bias[0] == 1
