"""The leveraged weighted loss on the worked example, with weights over all labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from engine.errors import ShapeError
from engine.methods.base.context import StepContext
from engine.methods.partial_label.lws import LWS, leveraged_log_loss, leveraged_loss
from engine.methods.parts.candidate_table import split_softmax
from tests.oracle.worked_candidates import (
    BATCH,
    LOGITS,
    LOGITS_AFTER,
    ROWS,
    SETS,
    built,
    gradient_at_the_logits,
)

NOW = StepContext(0, 0, 10)
TABLE = torch.tensor([[0.3, 0.4, 0.6, 0.7], [0.5, 0.5, 0.5, 0.5], [0.5, 0.3, 1, 0.2]])
SAME_PASS = [
    [0.0355711893, 0.6899744811, 0.3100255189, 0.9644288107],
    [0.5, 0.5, 0.5, 0.5],
    [0.7361247243, 0.1642516276, 1, 0.0996236481],
]
SECOND_PASS = [
    [0.0391657228, 0.6899744811, 0.3100255189, 0.9608342772],
    [0.5, 0.5, 0.5, 0.5],
    [0.7765450371, 0.1283620313, 1, 0.0950929316],
]


def lws(**params: Any) -> LWS:
    made = built(LWS, LWS.Params(**params))
    made.weights.copy_(TABLE)
    return made


@pytest.mark.parametrize(("leverage", "loss"), [(0, 0.303120576092), (1, 0.834825853643), (2, 1.366531131194)])
def test_the_loss_is_that_of_the_candidates_and_beta_times_that_of_the_others(leverage: float, loss: float) -> None:
    assert float(lws(leverage=leverage).step(BATCH, NOW).loss.detach()) == pytest.approx(loss, abs=1e-6)
    exact = leveraged_loss(LOGITS, SETS, TABLE.double()[ROWS], leverage)
    assert float(exact) == pytest.approx(loss, abs=1e-7)  # the table is float32


@pytest.mark.parametrize(("leverage", "loss"), [(1, 0.409575522324), (2, 0.615459651246)])
def test_the_first_step_weighs_every_label_by_one_of_k(leverage: float, loss: float) -> None:
    fresh = built(LWS, LWS.Params(leverage=leverage))
    assert float(fresh.step(BATCH, NOW).loss.detach()) == pytest.approx(loss, abs=1e-6)
    # What is shown are shares of the candidates.
    np.testing.assert_allclose(
        fresh.candidate_weights().numpy(), [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [1 / 3, 1 / 3, 0, 1 / 3]], atol=1e-6
    )


@pytest.mark.parametrize(("leverage", "loss"), [(1, 2.416040671528), (2, 2.973862951363)])
def test_the_logarithmic_loss_is_the_papers_lwc(leverage: float, loss: float) -> None:
    exact = leveraged_log_loss(LOGITS, SETS, TABLE.double()[ROWS], leverage)
    assert float(exact) == pytest.approx(loss, abs=1e-7)
    method = lws(leverage=leverage, loss="logarithmic")
    assert float(method.step(BATCH, NOW).loss.detach()) == pytest.approx(loss, abs=1e-5)


def test_the_weights_come_from_the_second_pass_or_from_the_steps_own() -> None:
    for source, first, second in (("second_pass", TABLE, SECOND_PASS), ("same_pass", SAME_PASS, SAME_PASS)):
        method = lws(weights_from=source)
        method.step(BATCH, NOW)
        np.testing.assert_allclose(method.weights.numpy(), first, atol=1e-6)
        with torch.no_grad():
            method.get_parameter("backbone.logits").copy_(LOGITS_AFTER)
        method.after_update(BATCH, NOW)
        np.testing.assert_allclose(method.weights.numpy(), second, atol=1e-6)


def test_each_part_of_the_labels_has_a_sum_of_its_own() -> None:
    weights = split_softmax(LOGITS, SETS)
    np.testing.assert_allclose((weights * SETS).sum(1).numpy(), 1, atol=1e-6)
    np.testing.assert_allclose((weights * ~SETS).sum(1).numpy(), 1, atol=1e-6)
    every = split_softmax(LOGITS, torch.ones(2, 4, dtype=torch.bool))
    np.testing.assert_allclose(every.numpy(), LOGITS.softmax(1).numpy(), atol=1e-6)


def test_the_gradient_arrives_at_every_logit_as_autograd_finds_it_in_the_formula() -> None:
    method = lws(leverage=2)
    method.step(BATCH, NOW).loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    s = LOGITS.sigmoid()
    slope = s * (1 - s) * torch.where(SETS, -1, 2) * TABLE.double()[ROWS] / 2
    np.testing.assert_allclose(gradient_at_the_logits(method).numpy(), slope.numpy(), atol=1e-6)


def test_a_network_that_is_sure_has_a_finite_logarithmic_loss_and_gradient() -> None:
    """In float32, an epsilon beside 1 - p vanishes: written so, the loss of a sure and wrong network is infinite."""
    logits = torch.tensor([[40.0, 0.0, 1.0]], requires_grad=True)
    sets = torch.tensor([[False, True, True]])
    loss = leveraged_log_loss(logits, sets, torch.tensor([[1.0, 0.5, 0.5]]), 1.0)
    loss.backward()  # type: ignore[no-untyped-call]
    of_the_first = 40 - np.log(1 + np.e)  # -log(1 - p): the others add up to 1 + e
    assert float(loss.detach()) == pytest.approx(of_the_first + (40 + 39) / 2, rel=1e-6)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    naive = -torch.log(1 - F.softmax(logits.detach(), 1)[0, 0] + 1e-8)
    assert not torch.isclose(naive + 39.5, loss.detach(), atol=1.0)


def test_the_share_of_images_without_a_positive_logit_is_told() -> None:
    method = lws()
    with torch.no_grad():
        method.get_parameter("backbone.logits")[1] = -1
    assert float(method.step(BATCH, NOW).scalars["lws/all_negative"]) == 0.5


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        leveraged_loss(LOGITS, SETS, TABLE, 1.0)
