"""PRODEN and its baseline on the worked example."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.partial_label.all_candidates import AllCandidates
from engine.methods.partial_label.proden import Proden
from engine.methods.parts.losses import restricted_softmax, soft_cross_entropy
from engine.methods.parts.memory_table import scatter_last_
from tests.oracle.worked_candidates import BATCH, LOGITS, SETS, TABLE, Given, built, gradient_at_the_logits


def proden() -> Proden:
    made = built(Proden, Proden.Params())
    made.weights.copy_(TABLE)
    return made


def test_the_loss_uses_the_weights_of_the_pass_before() -> None:
    result = proden().step(BATCH, StepContext(0, 0, 10))
    assert float(result.loss.detach()) == pytest.approx(1.858218391692, abs=1e-6)
    # Weights updated first: CC in disguise.
    assert float(result.loss.detach()) != pytest.approx(1.540040968022, abs=1e-3)


def test_the_new_weights_are_the_probabilities_of_the_same_pass_among_the_candidates() -> None:
    method = proden()
    method.step(BATCH, StepContext(0, 0, 10))
    expected = [[0, 0.6899744811, 0.3100255189, 0], [0.5, 0, 0, 0.5], [0.7361247243, 0.1642516276, 0, 0.0996236481]]
    np.testing.assert_allclose(method.get_buffer("weights").numpy(), expected, atol=1e-6)


def test_no_gradient_flows_through_the_weights() -> None:
    method = proden()
    loss = method.step(BATCH, StepContext(0, 0, 10)).loss
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected = [
        [0.1050499614, -0.0707776452, 0.0176768967, -0.0519492129],
        [0.0144474929, -0.1352508290, -0.2709063221, 0.3917096582],
    ]
    np.testing.assert_allclose(gradient_at_the_logits(method).numpy(), expected, atol=1e-6)


def test_the_heaviest_candidates_are_reported_as_what_it_believes() -> None:
    believed = proden().step(BATCH, StepContext(0, 0, 10)).pseudo_labels
    assert believed is not None
    assert believed.ids.tolist() == [12, 10]
    assert believed.labels.tolist() == [0, 1]
    np.testing.assert_allclose(believed.confidence.numpy(), [0.7361247243, 0.6899744811], atol=1e-6)
    assert believed.weight.tolist() == [1, 1]


def test_with_uniform_weights_it_starts_as_the_baseline() -> None:
    """1.976551725025 is the mean over both images of the mean of -log p over their candidates."""
    baseline = built(AllCandidates, AllCandidates.Params()).step(BATCH, StepContext(0, 0, 10))
    assert float(baseline.loss.detach()) == pytest.approx(1.976551725025, abs=1e-6)
    fresh = Proden(Proden.Params(), Given(), TaskSpec(4, 1, 8, {}, 2, SETS))
    np.testing.assert_allclose(fresh.weights.numpy(), [[1 / 3, 1 / 3, 0, 1 / 3], [0, 0.5, 0.5, 0]], atol=1e-7)


def test_a_set_of_one_is_plain_cross_entropy() -> None:
    alone = torch.tensor([[True, False, False, False], [False, True, False, False]])
    loss = soft_cross_entropy(LOGITS, restricted_softmax(LOGITS, alone))
    assert float(loss) == pytest.approx(1.193218391692, abs=1e-6)


def test_a_candidate_too_unlikely_for_float32_keeps_its_place() -> None:
    logits = torch.tensor([[1000.0, 0.0, -1000.0]])
    weights = restricted_softmax(logits, torch.tensor([[False, True, True]]))
    assert weights.tolist() == [[0.0, 1.0, 0.0]]
    assert torch.isfinite(soft_cross_entropy(logits, weights))
    assert restricted_softmax(torch.tensor([[200.0, 0.0, 0.1]]), torch.tensor([[False, True, True]])).tolist()[
        0
    ] == pytest.approx([0, 0.47502081, 0.52497919], abs=1e-6)


def test_of_a_row_that_comes_twice_in_a_batch_the_last_value_stays() -> None:
    table = torch.zeros(4, 2)
    scatter_last_(table, torch.tensor([3, 1, 3, 1, 3]), torch.arange(10.0).reshape(5, 2))
    assert table.tolist() == [[0, 0], [6, 7], [0, 0], [8, 9]]
