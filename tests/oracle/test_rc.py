"""RC on the worked example: PRODEN's loss, with weights from a second pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.methods.base.context import StepContext
from engine.methods.partial_label.rc import RC
from tests.oracle.worked_candidates import (
    BATCH,
    LOGITS_AFTER,
    TABLE,
    built,
    gradient_at_the_logits,
    pool_sets,
)

NOW = StepContext(0, 0, 10)


def rc() -> RC:
    made = built(RC, RC.Params())
    made.weights.copy_(TABLE)
    return made


def test_the_loss_uses_the_weights_that_were_stored() -> None:
    result = rc().step(BATCH, NOW)
    assert float(result.loss.detach()) == pytest.approx(1.858218391692, abs=1e-6)
    # The factor ½ of the paper's sum over all classes, and weights that were updated first.
    for wrong in (1.858218391692 / 2, 1.540040968022):
        assert float(result.loss.detach()) != pytest.approx(wrong, abs=1e-3)


def test_the_new_weights_are_those_of_the_network_after_its_step() -> None:
    method = rc()
    method.step(BATCH, NOW)
    assert torch.equal(method.weights, TABLE)
    with torch.no_grad():
        method.get_parameter("backbone.logits").copy_(LOGITS_AFTER)
    method.after_update(BATCH, NOW)
    expected = [[0, 0.6899744811, 0.3100255189, 0], [0.5, 0, 0, 0.5], [0.7765450371, 0.1283620313, 0, 0.0950929316]]
    np.testing.assert_allclose(method.weights.numpy(), expected, atol=1e-6)
    of_the_first_pass = [0.7361247243, 0.1642516276, 0, 0.0996236481]
    assert not np.allclose(method.weights[2].numpy(), of_the_first_pass, atol=1e-3)


def test_the_gradient_arrives_through_the_logits_alone() -> None:
    method = rc()
    method.step(BATCH, NOW).loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected = [
        [0.1050499614, -0.0707776452, 0.0176768967, -0.0519492129],
        [0.0144474929, -0.1352508290, -0.2709063221, 0.3917096582],
    ]
    np.testing.assert_allclose(gradient_at_the_logits(method).numpy(), expected, atol=1e-6)


def test_all_candidates_weigh_alike_at_first() -> None:
    weights = built(RC, RC.Params()).candidate_weights()
    np.testing.assert_allclose(weights.numpy(), [[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [1 / 3, 1 / 3, 0, 1 / 3]])
    assert torch.equal(weights > 0, pool_sets())
