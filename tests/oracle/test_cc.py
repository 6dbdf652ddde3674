"""CC on the worked example, and by the identities that tie it to PRODEN."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from engine.errors import ShapeError
from engine.methods.base.context import StepContext
from engine.methods.partial_label.cc import CC, any_candidate_loss
from engine.methods.parts.losses import restricted_softmax, soft_cross_entropy
from tests.oracle.worked_candidates import BATCH, LOGITS, SETS, built, gradient_at_the_logits

NOW = StepContext(0, 0, 10)


def test_the_loss_is_that_of_the_candidates_together() -> None:
    each = [float(any_candidate_loss(LOGITS[i : i + 1], SETS[i : i + 1])) for i in range(2)]
    assert each == pytest.approx([0.0359938702, 1.6729865350], abs=1e-10)
    loss = float(built(CC, CC.Params()).step(BATCH, NOW).loss.detach())
    assert loss == pytest.approx(0.854490202604, abs=1e-6)
    p = LOGITS.softmax(1)
    # The mean of the candidates within the logarithm; the naive baseline; 0 in place of -inf as the mask.
    mean_inside = -((p * SETS).sum(1) / SETS.sum(1)).log().mean()
    naive = -(p.log() * SETS).sum(1).mean()
    masked_by_0 = (LOGITS.logsumexp(1) - (LOGITS * SETS).logsumexp(1)).mean()
    for wrong in (mean_inside, naive, masked_by_0):
        assert abs(loss - float(wrong)) > 0.05


def test_the_gradient_is_p_less_the_probabilities_among_the_candidates() -> None:
    method = built(CC, CC.Params())
    method.step(BATCH, NOW).loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected = [
        [-0.0130124007, -0.0029034591, 0.0176768967, -0.0017610369],
        [0.0144474929, -0.2802380696, -0.1259190815, 0.3917096582],
    ]
    np.testing.assert_allclose(gradient_at_the_logits(method).numpy(), expected, atol=1e-6)


def test_a_set_of_one_is_cross_entropy_and_a_set_of_all_teaches_nothing() -> None:
    alone = F.one_hot(torch.tensor([0, 1]), 4).bool()
    assert float(any_candidate_loss(LOGITS, alone)) == pytest.approx(1.193218391692, abs=1e-10)
    logits = LOGITS.clone().requires_grad_()
    nothing = any_candidate_loss(logits, torch.ones(2, 4, dtype=torch.bool))
    assert float(nothing.detach()) == pytest.approx(0, abs=1e-12)
    nothing.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.zeros(2, 4, dtype=torch.float64), atol=1e-12)


def test_any_weights_on_the_candidates_cost_their_cross_entropy_with_the_restricted_softmax_more() -> None:
    """H(w, p) - CC = H(w, r), for any weights w on the set."""
    draws = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(50, 6, generator=draws)
    sets = torch.rand(50, 6, generator=draws) < 0.5
    sets[:, 0] = True
    weights = torch.rand(50, 6, generator=draws) * sets
    weights = weights / weights.sum(1, keepdim=True)
    r = restricted_softmax(logits, sets).double()
    apart = -(weights.double() * torch.where(sets, r, 1).log()).sum(1).mean()
    ours = soft_cross_entropy(logits, weights) - any_candidate_loss(logits, sets)
    assert float(ours) == pytest.approx(float(apart), abs=1e-5)


def test_candidates_that_no_float32_can_hold_still_have_a_loss() -> None:
    logits = torch.tensor([[1000.0, 0.0, 0.0]])
    assert float(any_candidate_loss(logits, torch.tensor([[False, True, True]]))) == pytest.approx(
        1000 - np.log(2), abs=1e-3
    )


def test_the_shown_weights_are_the_probabilities_among_the_candidates_and_no_loss_reads_them() -> None:
    method = built(CC, CC.Params())
    first = float(method.step(BATCH, NOW).loss.detach())
    expected = [[0, 0.6899744811, 0.3100255189, 0], [0.5, 0, 0, 0.5], [0.7361247243, 0.1642516276, 0, 0.0996236481]]
    np.testing.assert_allclose(method.candidate_weights().numpy(), expected, atol=1e-6)
    assert float(method.step(BATCH, NOW).loss.detach()) == first


def test_logits_and_candidates_of_two_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"\[2, 4\] and \[2, 3\]"):
        any_candidate_loss(LOGITS, SETS[:, :3])
