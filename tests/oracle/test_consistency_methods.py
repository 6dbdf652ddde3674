"""The Π-model, temporal ensembling, Mean Teacher, interpolation consistency and VAT against their formulas in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.methods.parts.ramps import cosine_ramp, sigmoid_ramp
from tests.oracle.fixtures_logits import LABELED_LOSS, STRONG, WEAK, AsGiven, batch, method, tensor

LATE = StepContext(0, 9, 10)
"""Past the ramp: the weight is whole."""
Floats = NDArray[np.float64]


def softmax(rows: Any) -> Floats:
    powers = np.exp(np.asarray(rows, np.float64))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def two_views(first: Tensor, second: Tensor) -> Batch:
    given = batch(first)
    given["unlabeled"].views["weak"] = torch.stack((first, second))
    return given


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.0067379470), (0.1, 0.0600546679), (0.2, 0.2865047969), (0.4, 1.0), (0.9, 1.0)]
)
def test_the_ramp_of_laine_and_aila(progress: float, expected: float) -> None:
    assert sigmoid_ramp(progress, 0.4) == pytest.approx(expected, abs=1e-9)
    assert sigmoid_ramp(progress, 0) == 1


def test_the_half_cosine_ramp() -> None:
    assert [cosine_ramp(progress, 0.5) for progress in (0, 0.25, 0.5, 1)] == pytest.approx([0, 0.5, 1, 1])


def test_pi_model_squares_the_difference_averaged_over_classes() -> None:
    result = method("pi_model", unlabeled_weight=10.0).step(two_views(tensor(WEAK[:2]), tensor(STRONG[:2])), LATE)
    # .1597446631 is the sum over classes, .3126301957 a divergence.
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.0532482210, abs=1e-9)
    assert result.loss.item() == pytest.approx(LABELED_LOSS + 10 * 0.0532482210, abs=1e-6)


def test_pi_model_has_gradient_through_both_views() -> None:
    first, second = tensor(WEAK[:2]), tensor(STRONG[:2])
    method("pi_model").step(two_views(first, second), LATE).loss.backward()  # type: ignore[no-untyped-call]
    for view in (first, second):
        assert view.grad is not None
        assert view.grad.abs().max().item() > 1e-3


def test_temporal_ensembling_divides_by_what_the_average_still_lacks() -> None:
    built = method("temporal_ensembling", counts={"unlabeled": 1}, ensemble_decay=0.6).double()
    for row in ([0.7, 0.2, 0.1], [0.5, 0.3, 0.2]):
        built.step(batch(tensor([row]).log()), LATE)
    assert built.get_buffer("ensemble")[0].tolist() == pytest.approx([0.368, 0.168, 0.104], abs=1e-9)
    third = built.step(batch(tensor([[0.0, 0.0, 0.0]])), LATE)
    target = np.array([0.575, 0.2625, 0.1625])
    assert third.scalars["loss/unlabeled"].item() == pytest.approx(((1 / 3 - target) ** 2).mean(), abs=1e-9)


def test_temporal_ensembling_has_nothing_to_compare_with_in_the_first_pass() -> None:
    built = method("temporal_ensembling", counts={"unlabeled": 6})
    assert built.step(batch(tensor(WEAK)), LATE).scalars["loss/unlabeled"].item() == 0
    assert built.step(batch(tensor(STRONG)), LATE).scalars["loss/unlabeled"].item() > 0.01
    assert built.get_buffer("visits").tolist() == [2] * 6


def with_teacher(name: str, student: nn.Module, teacher: nn.Module, **params: Any) -> GradientMethod:
    built = method(name, **params)
    built.classifier, built.teacher = student, teacher
    return built


class Times(AsGiven):
    """Its logits are the images, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def logits(self, *views: Tensor) -> list[Tensor]:
        return [self.factor * view for view in views]


def test_mean_teacher_compares_the_student_with_the_teacher_and_not_with_itself() -> None:
    first, second = tensor(WEAK), tensor(STRONG)
    built = with_teacher("mean_teacher", AsGiven(), Times(0.5), unlabeled_weight=2.0)
    result = built.step(two_views(first, second), LATE)
    expected = ((softmax(WEAK) - softmax(0.5 * np.array(STRONG))) ** 2).mean()
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(expected, abs=1e-9)
    assert result.loss.item() == pytest.approx(LABELED_LOSS + 2 * expected, abs=1e-6)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert first.grad is not None
    assert first.grad.abs().max().item() > 1e-3
    assert second.grad is None or second.grad.abs().max().item() == 0


def test_the_teacher_is_the_plain_average_at_first_and_then_the_moving_one() -> None:
    built = method("mean_teacher", teacher_decay=0.5)
    student, teacher = nn.Linear(2, 3), nn.Linear(2, 3)
    built.classifier, built.teacher = student, teacher
    expected = student.weight.detach().double().numpy().copy()
    for step in range(5):
        with torch.no_grad():
            student.weight.add_(1.0)
        now = student.weight.detach().double().numpy()
        decay = min(1 - 1 / (step + 1), 0.5)
        expected = now if step == 0 else decay * expected + (1 - decay) * now
        built.after_update({}, StepContext(0, step, 10))
        np.testing.assert_allclose(teacher.weight.detach().numpy(), expected, rtol=1e-6)


def test_ict_asks_for_the_mix_of_the_teachers_probabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    order, share = [3, 0, 5, 1, 2, 4], 0.3
    monkeypatch.setattr("engine.methods.semi_supervised.ict.permutation", lambda *_: torch.tensor(order))
    monkeypatch.setattr("engine.methods.semi_supervised.ict.beta", lambda *_: torch.tensor([share]).double())
    images = tensor(WEAK)
    result = with_teacher("ict", AsGiven(), Times(0.5)).step(batch(images), LATE)
    weak, taught = np.array(WEAK), softmax(0.5 * np.array(WEAK))
    mixed, target = (share * of + (1 - share) * of[order] for of in (weak, taught))
    expected = ((softmax(mixed) - target) ** 2).mean()
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(expected, abs=1e-7)
    # The authors' code takes the softmax of mixed logits, which is another target.
    logits = 0.5 * weak
    other = ((softmax(mixed) - softmax(share * logits + (1 - share) * logits[order])) ** 2).mean()
    assert abs(expected - other) > 1e-4


class Linear(nn.Module):
    """Logits of images [N, 1, 1, D] by a fixed matrix [D, K]."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = nn.Parameter(matrix)

    def logits(self, *views: Tensor) -> list[Tensor]:
        return [view.flatten(1) @ self.matrix for view in views]


def test_vat_pushes_along_the_direction_that_changes_the_prediction_most() -> None:
    """For a linear model the divergence near an image is d' H d / 2 with H = W (diag p - p p') W'; one power iteration
    from d is H d, normalized.
    """
    generator = np.random.default_rng(7)
    matrix, image = generator.normal(size=(4, 3)), generator.normal(size=(1, 4))
    built = method("vat", radius=0.5, iterations=3, step=1e-4, entropy_weight=0.0, unlabeled_weight=1.0)
    built.classifier = Linear(torch.tensor(matrix))
    unlabeled = StreamBatch(torch.tensor([0]), torch.tensor([0]), None, {"weak": torch.tensor(image).view(1, 1, 1, 4)})
    labeled = StreamBatch(
        torch.tensor([0]), torch.tensor([0]), torch.tensor([1]), {"weak": torch.tensor(image).view(1, 1, 1, 4)}
    )
    result = built.step({"labeled": labeled, "unlabeled": unlabeled}, LATE)
    p = softmax(image @ matrix)[0]
    hessian = matrix @ (np.diag(p) - np.outer(p, p)) @ matrix.T
    values, vectors = np.linalg.eigh(hessian)
    start = torch.randn((1, 1, 1, 4), generator=LATE.rng("direction"), dtype=torch.float64).numpy().reshape(4)
    direction = start
    for _ in range(3):
        direction = hessian @ direction
        direction /= np.linalg.norm(direction)
    q = softmax((image + 0.5 * direction) @ matrix)[0]
    assert result.scalars["loss/unlabeled"].item() == pytest.approx((p * np.log(p / q)).sum(), rel=1e-3)
    # It comes near to the worst there is, and far from a random push of the same length.
    worst = max((p * np.log(p / softmax((image + sign * 0.5 * vectors[:, -1]) @ matrix)[0])).sum() for sign in (1, -1))
    random = (p * np.log(p / softmax((image + 0.5 * start / np.linalg.norm(start)) @ matrix)[0])).sum()
    assert worst * 1.3 >= result.scalars["loss/unlabeled"].item() > random
    assert values[-1] > 0


def test_vat_trains_the_network_and_leaves_no_gradient_of_the_search() -> None:
    generator = torch.Generator().manual_seed(3)
    matrix = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    images = torch.randn(5, 1, 1, 4, generator=generator, dtype=torch.float64)
    built = method("vat", radius=0.5, unlabeled_weight=1.0)
    built.classifier = Linear(matrix)
    rows = torch.arange(5)
    given = {
        "labeled": StreamBatch(rows, rows, torch.tensor([0, 1, 2, 0, 1]), {"weak": images}),
        "unlabeled": StreamBatch(rows, rows, None, {"weak": images}),
    }
    result = built.step(given, LATE)
    assert built.classifier.matrix.grad is None  # the search took its own gradient only
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert built.classifier.matrix.grad is not None
    assert built.classifier.matrix.grad.abs().max().item() > 1e-3
