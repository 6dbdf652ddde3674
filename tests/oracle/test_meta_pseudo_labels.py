"""Meta Pseudo Labels (Pham et al. 2021): the student's feedback against its definition in numpy, and what it makes of
the teacher.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.meta_pseudo_labels import MetaPseudoLabels
from tests.oracle.fixtures_logits import method

Floats = NDArray[np.float64]
RNG = np.random.default_rng(2)
X, W, S = RNG.normal(size=(2, 4)), RNG.normal(size=(8, 4)), 2 * RNG.normal(size=(8, 4))
LABELS = [2, 0]
STUDENT, TEACHER = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
LEARN, TEACH = StepContext(0, 4, 20), StepContext(0, 5, 20)


class Linear(nn.Module):
    def __init__(self, matrix: Floats) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(matrix))

    def logits(self, *views: Tensor) -> list[Tensor]:
        return [view.flatten(1) @ self.weight for view in views]


def built(**params: Any) -> MetaPseudoLabels:
    made = method("meta_pseudo_labels", **{"unlabeled_ratio": 4, **params}).double()
    assert isinstance(made, MetaPseudoLabels)
    made.classifier = Linear(STUDENT)  # type: ignore[assignment]
    made.teacher = Linear(TEACHER)  # type: ignore[assignment]
    made.images = torch.zeros(8, 4, dtype=torch.float64)
    return made


def given() -> Batch:
    eight = torch.arange(8)
    views = {"weak": torch.tensor(W), "strong": torch.tensor(S)}
    return {
        "labeled": StreamBatch(eight[:2], eight[:2], torch.tensor(LABELS), {"weak": torch.tensor(X)}),
        "unlabeled": StreamBatch(eight, eight, None, views),
    }


def softmax(rows: Floats) -> Floats:
    powers = np.exp(rows)
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def loss(images: Floats, matrix: Floats, labels: Any) -> float:
    return float(-np.log(softmax(images @ matrix))[np.arange(len(images)), labels].mean())


def slope(images: Floats, matrix: Floats, labels: Any) -> Floats:
    """Of that loss, by the matrix."""
    gradient: Floats = images.T @ (softmax(images @ matrix) - np.eye(3)[labels]) / len(images)
    return gradient


def gradient_of(module: nn.Module) -> Tensor | None:
    return module.get_parameter("weight").grad


def after_the_students_step(made: MetaPseudoLabels, rate: float) -> NDArray[np.int64]:
    """Takes the student's step by plain gradient descent, and returns the labels that the teacher drew."""
    made.step(given(), LEARN).loss.backward()  # type: ignore[no-untyped-call]
    gradient = gradient_of(made.classifier)
    assert gradient is not None
    with torch.no_grad():
        made.classifier.get_parameter("weight").sub_(rate * gradient)
    made.zero_grad(set_to_none=True)
    made.after_update(given(), LEARN)
    drawn: NDArray[np.int64] = made.labels.numpy()
    return drawn


def test_the_student_learns_from_labels_drawn_by_the_teacher_and_from_nothing_else() -> None:
    made = built()
    result = made.step(given(), LEARN)
    drawn = made.labels.numpy()
    believed = result.pseudo_labels
    assert believed is not None
    assert believed.labels.tolist() == drawn.tolist()
    np.testing.assert_allclose(believed.confidence, softmax(S @ TEACHER)[np.arange(8), drawn], atol=1e-9)
    assert result.loss.item() == pytest.approx(loss(S, STUDENT, drawn), abs=1e-9)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert gradient_of(made.teacher) is None
    gradient = gradient_of(made.classifier)
    assert gradient is not None
    np.testing.assert_allclose(gradient, slope(S, STUDENT, drawn), atol=1e-9)


def test_labels_are_drawn_as_often_as_the_teacher_says() -> None:
    made, counts = built(), np.zeros((8, 3))
    for step in range(0, 1200, 2):
        made.learn(given()["labeled"], given()["unlabeled"], StepContext(0, step, 5000))
        counts[np.arange(8), made.labels.numpy()] += 1
    np.testing.assert_allclose(counts / 600, softmax(S @ TEACHER), atol=0.09)


@pytest.mark.parametrize("rate", [1e-3, 0.5])
def test_the_feedback_is_how_much_the_labeled_loss_fell_and_in_the_limit_the_product_of_gradients(rate: float) -> None:
    made = built()
    drawn = after_the_students_step(made, rate)
    moved = STUDENT - rate * slope(S, STUDENT, drawn)
    fell = loss(X, STUDENT, LABELS) - loss(X, moved, LABELS)  # before less after: the other sign teaches the opposite
    assert made.baseline.item() == pytest.approx(0.01 * fell, rel=1e-6)
    assert made.reward.item() == pytest.approx(0.99 * fell, rel=1e-6)
    if rate == 1e-3:
        product = float((slope(S, STUDENT, drawn) * slope(X, moved, LABELS)).sum())
        assert abs(product) > 0.01
        assert fell == pytest.approx(rate * product, rel=1e-2)


def test_the_teachers_step_is_its_own_losses_and_the_feedback() -> None:
    made = built(threshold=0.5, temperature=0.7, unlabeled_weight=3.0, ramp=0.5, feedback_weight=2.0)
    drawn = after_the_students_step(made, 0.5)
    reward = made.reward.item()
    result = made.step(given(), TEACH)
    weak, strong = softmax(W @ TEACHER), softmax(S @ TEACHER)
    sharpened = weak ** (1 / 0.7)
    sharpened /= sharpened.sum(1, keepdims=True)
    used = weak.max(1) >= 0.5
    loss_u = ((sharpened * np.log(sharpened / strong)).sum(1) * used).mean()
    expected = loss(X, TEACHER, LABELS) + 3 * (0.25 / 0.5) * loss_u + 2 * reward * loss(S, TEACHER, drawn)
    assert 0 < used.sum() < 8
    assert result.loss.item() == pytest.approx(expected, abs=1e-6)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert gradient_of(made.classifier) is None


@pytest.mark.parametrize("reward", [0.3, -0.3])
def test_labels_that_helped_become_likelier_and_others_less_likely(reward: float) -> None:
    made = built(unlabeled_weight=0.0)
    drawn = after_the_students_step(made, 0.5)
    gradients = []
    for given_reward in (reward, 0.0):
        made.reward.fill_(given_reward)
        made.zero_grad(set_to_none=True)
        made.step(given(), TEACH).loss.backward()  # type: ignore[no-untyped-call]
        gradient = gradient_of(made.teacher)
        assert gradient is not None
        gradients.append(gradient.clone())
    # Soft labels, as in the authors' code, would give none: the cross-entropy of a prediction with itself is flat.
    feedback = (gradients[0] - gradients[1]).numpy()
    np.testing.assert_allclose(feedback, reward * slope(S, TEACHER, drawn), atol=1e-9)
    changed = loss(S, TEACHER - 0.1 * feedback, drawn) - loss(S, TEACHER, drawn)
    assert (changed < 0) == (reward > 0)


def test_in_the_end_the_student_learns_from_labels_alone() -> None:
    made = built(finetune=0.5)
    result = made.step(given(), StepContext(0, 10, 20))
    assert result.loss.item() == pytest.approx(loss(X, STUDENT, LABELS), abs=1e-9)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert gradient_of(made.teacher) is None
    before = made.reward.clone()
    made.after_update(given(), StepContext(0, 10, 20))
    assert torch.equal(made.reward, before)
