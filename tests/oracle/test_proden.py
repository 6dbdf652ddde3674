"""PRODEN and its baseline on the worked example: K = 4, a batch of two, a table of three rows, batch rows 2 and 0.

Expected numbers were worked out once in float64 from the formulas; the wrong ones beside them belong to well-known
mistakes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.partial_label.all_candidates import AllCandidates
from engine.methods.partial_label.proden import Proden
from engine.methods.parts.losses import restricted_softmax, soft_cross_entropy
from engine.methods.parts.memory_table import scatter_last_

LOGITS = torch.tensor([[2, 0.5, -1, 0], [-0.3, 1.2, 0.4, 3]], dtype=torch.float64)
SETS = torch.tensor([[True, True, False, True], [False, True, True, False]])
TABLE = torch.tensor([[0, 0.4, 0.6, 0], [0.5, 0, 0, 0.5], [0.5, 0.3, 0, 0.2]])
ROWS = torch.tensor([2, 0])


class Given(Backbone):
    """Answers with given features, whatever it is shown."""

    feature_size = 4

    def __init__(self) -> None:
        super().__init__(BackboneParams(name="given"), 1, 8)
        self.logits = nn.Parameter(LOGITS.float().clone())

    def features(self, images: Tensor) -> Tensor:
        return self.logits

    def stages(self) -> list[nn.Module]:
        return []


def built(method: type[Proden] | type[AllCandidates]) -> Proden | AllCandidates:
    """The method on logits that pass through its head unchanged; the pool has three images, of which the batch holds
    rows 2 and 0.
    """
    sets = torch.zeros(3, 4, dtype=torch.bool)
    sets[ROWS] = SETS
    sets[1] = torch.tensor([True, False, False, True])
    task = TaskSpec(4, 1, 8, {}, 2, sets)
    made = (
        Proden(Proden.Params(), Given(), task)
        if method is Proden
        else AllCandidates(AllCandidates.Params(), Given(), task)
    )
    with torch.no_grad():
        made.classifier.head.weight.copy_(torch.eye(4))
        made.classifier.head.bias.zero_()
    if isinstance(made, Proden):
        made.weights.copy_(TABLE)
    return made


BATCH = {"all": StreamBatch(torch.tensor([12, 10]), ROWS, None, {"weak": torch.zeros(2, 1, 8, 8)}, SETS)}


def test_the_loss_uses_the_weights_of_the_pass_before() -> None:
    result = built(Proden).step(BATCH, StepContext(0, 0, 10))
    assert float(result.loss.detach()) == pytest.approx(1.858218391692, abs=1e-6)
    # Weights updated first: CC in disguise.
    assert float(result.loss.detach()) != pytest.approx(1.540040968022, abs=1e-3)


def test_the_new_weights_are_the_probabilities_of_the_same_pass_among_the_candidates() -> None:
    proden = built(Proden)
    proden.step(BATCH, StepContext(0, 0, 10))
    expected = [[0, 0.6899744811, 0.3100255189, 0], [0.5, 0, 0, 0.5], [0.7361247243, 0.1642516276, 0, 0.0996236481]]
    np.testing.assert_allclose(proden.get_buffer("weights").numpy(), expected, atol=1e-6)


def test_no_gradient_flows_through_the_weights() -> None:
    proden = built(Proden)
    loss = proden.step(BATCH, StepContext(0, 0, 10)).loss
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected = [
        [0.1050499614, -0.0707776452, 0.0176768967, -0.0519492129],
        [0.0144474929, -0.1352508290, -0.2709063221, 0.3917096582],
    ]
    grad = proden.get_parameter("backbone.logits").grad
    assert grad is not None
    np.testing.assert_allclose(grad.numpy(), expected, atol=1e-6)


def test_the_heaviest_candidates_are_reported_as_what_it_believes() -> None:
    believed = built(Proden).step(BATCH, StepContext(0, 0, 10)).pseudo_labels
    assert believed is not None
    assert believed.ids.tolist() == [12, 10]
    assert believed.labels.tolist() == [0, 1]
    np.testing.assert_allclose(believed.confidence.numpy(), [0.7361247243, 0.6899744811], atol=1e-6)
    assert believed.weight.tolist() == [1, 1]


def test_with_uniform_weights_it_starts_as_the_baseline() -> None:
    """1.976551725025 is the mean over both images of the mean of -log p over their candidates."""
    assert float(built(AllCandidates).step(BATCH, StepContext(0, 0, 10)).loss.detach()) == pytest.approx(
        1.976551725025, abs=1e-6
    )
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
