"""PiCO on the worked example: given embeddings, keys, queue and prototypes, and the logits of the other methods."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.partial_label.pico import PiCO, class_contrast, info_nce
from engine.methods.parts.candidate_table import uniform_weights
from tests.oracle.worked_candidates import LOGITS, ROWS, SETS, TABLE, built, gradient_at_the_logits, pool_sets

QUERIES = torch.tensor([[0.6, 0.8], [1, 0]], dtype=torch.float64)
KEYS = torch.tensor([[0.8, 0.6], [0.96, -0.28]], dtype=torch.float64)
QUEUE = torch.tensor([[0, 1], [-1, 0]], dtype=torch.float64)
PROTOTYPES = torch.tensor([[1, 0], [0, 1], [-1, 0], [0.6, 0.8]])
LABELS, QUEUE_LABELS = torch.tensor([0, 1]), torch.tensor([0, 3])
VIEWS = {"weak": torch.zeros(2, 1, 8, 8), "strong": torch.zeros(2, 1, 8, 8)}
BATCH = {"all": StreamBatch(torch.tensor([12, 10]), ROWS, None, VIEWS, SETS)}


class Answer(nn.Module):
    """Given rows, whatever it is asked; they can be trained."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = nn.Parameter(rows.float().clone())

    def forward(self, features: Tensor) -> Tensor:
        return self.rows


def pico(**params: Any) -> PiCO:
    settings = {"inertia_start": 0.9, "inertia_end": 0.9, "warm_up": 0.0, "queue_size": 2, "projection_size": 2}
    made = built(PiCO, PiCO.Params.model_validate({**settings, **params}))
    made.projection = Answer(QUERIES)  # type: ignore[assignment]  # in place of a head
    made.key_encoder[1] = Answer(KEYS).requires_grad_(False)
    made.queue.rows.copy_(QUEUE)
    made.queue_labels.copy_(QUEUE_LABELS)
    made.prototypes.copy_(PROTOTYPES)
    made.weights.copy_(TABLE)
    made.params = made.params.model_copy(update={"key_momentum": 1.0})  # the keys stay those that are given
    return made


def test_positives_are_the_rows_of_the_pool_with_the_same_label_without_itself() -> None:
    pool, labels = torch.cat((QUERIES, KEYS, QUEUE)), torch.cat((LABELS, LABELS, QUEUE_LABELS))
    loss = class_contrast(QUERIES, pool, LABELS, labels, 0.07)
    assert float(loss) == pytest.approx(0.673648831702, abs=1e-10)
    # Row by row, by a loop.
    each = []
    for i in range(2):
        scores = [float(QUERIES[i] @ row) / 0.07 for row in pool]
        total = sum(np.exp(score) for k, score in enumerate(scores) if k != i)
        positives = [k for k in range(len(pool)) if k != i and labels[k] == LABELS[i]]
        each.append(np.mean([np.log(total) - scores[k] for k in positives]))
    assert each == pytest.approx([1.2451531851, 0.1021444783], abs=1e-9)


def test_during_the_warm_up_only_the_own_key_is_a_positive() -> None:
    assert float(info_nce(QUERIES, KEYS, QUEUE, 0.07)) == pytest.approx(0.048428405928, abs=1e-10)
    fresh = pico(warm_up=0.5, warm_up_contrast="moco")
    result = fresh.step(BATCH, StepContext(0, 0, 10))
    assert float(result.scalars["loss/contrastive"]) == pytest.approx(0.048428405928, abs=1e-6)
    assert torch.equal(fresh.weights, TABLE)
    result.loss.backward()  # type: ignore[no-untyped-call]  # the queue has moved on since
    silent = pico(warm_up=0.5).step(BATCH, StepContext(0, 0, 10))
    assert float(silent.loss.detach()) == pytest.approx(1.858218391692, abs=1e-6)


def test_a_step_moves_the_weights_before_its_loss_reads_them() -> None:
    method = pico()
    result = method.step(BATCH, StepContext(0, 3, 10))
    assert float(result.scalars["loss/labeled"]) == pytest.approx(1.891718391692, abs=1e-6)
    assert float(result.loss.detach()) == pytest.approx(2.228542807543, abs=1e-6)
    expected = [[0, 0.46, 0.54, 0], [0.5, 0, 0, 0.5], [0.45, 0.27, 0, 0.28]]
    np.testing.assert_allclose(method.candidate_weights().numpy(), expected, atol=1e-6)
    # With the old weights, as PRODEN would.
    assert float(result.scalars["loss/labeled"]) != pytest.approx(1.858218391692, abs=1e-3)


def test_prototypes_choose_before_they_move_and_follow_the_classifier() -> None:
    method = pico()
    scores = (QUERIES.float() @ method.prototypes.T).softmax(1)
    np.testing.assert_allclose(
        scores.numpy(),
        [
            [0.2491018839, 0.3042537280, 0.0750280456, 0.3716163426],
            [0.4600800565, 0.1692539941, 0.0622650648, 0.3084008847],
        ],
        atol=1e-6,
    )
    method.step(BATCH, StepContext(0, 3, 10))
    expected = [[0.9999677440, 0.0080318694], [0.0101004948, 0.9999489887], [-1.0, 0.0], [0.6, 0.8]]
    np.testing.assert_allclose(method.prototypes.numpy(), expected, atol=1e-6)


def test_the_candidate_is_chosen_by_the_prototypes_of_before_the_step() -> None:
    """Of momentum 0 the step's own image becomes the prototype of its pseudo-label, 0: after that it would be nearest
    to itself.
    """
    method = pico(prototype_momentum=0.0)
    method.prototypes[3] = -PROTOTYPES[
        3
    ]  # of the first image's candidates 0, 1 and 3, at 0.6, 0.8 and -1, 1 is nearest
    method.step(BATCH, StepContext(0, 3, 10))
    np.testing.assert_allclose(method.prototypes[0].numpy(), QUERIES[0].numpy(), atol=1e-6)
    np.testing.assert_allclose(method.candidate_weights()[2].numpy(), [0.45, 0.37, 0, 0.18], atol=1e-6)


def test_two_images_of_one_class_move_its_prototype_one_after_the_other() -> None:
    method = pico(prototype_momentum=0.9)
    method.move_prototypes(QUERIES.float(), torch.tensor([1, 1]))
    moved = 0.9 * (0.9 * PROTOTYPES[1] + 0.1 * QUERIES[0].float()) + 0.1 * QUERIES[1].float()
    torch.testing.assert_close(method.prototypes[1], moved / moved.norm())
    assert not torch.allclose(method.prototypes[1], _moved_together(), atol=1e-3)


def _moved_together() -> Tensor:
    """By the mean of both: another method, and a known mistake."""
    return F.normalize(0.9 * PROTOTYPES[1] + 0.1 * QUERIES.float().mean(0), dim=0)


def test_the_queue_keeps_the_keys_with_their_pseudo_labels() -> None:
    method = pico()
    method.step(BATCH, StepContext(0, 3, 10))
    torch.testing.assert_close(method.queue.rows, KEYS.float())
    assert method.queue_labels.tolist() == [0, 1]


def test_the_inertia_falls_along_a_straight_line() -> None:
    method = pico(inertia_start=0.95, inertia_end=0.75)
    method.step(BATCH, StepContext(0, 5, 10))  # half of the run: 0.85
    np.testing.assert_allclose(method.weights[2].numpy(), [0.425, 0.255, 0, 0.32], atol=1e-6)


def test_gradients_arrive_from_both_losses_and_none_through_keys_prototypes_or_weights() -> None:
    method = pico(contrast_weight=2.0)
    method.step(BATCH, StepContext(0, 3, 10)).loss.backward()  # type: ignore[no-untyped-call]
    moved = torch.tensor([[0.45, 0.27, 0, 0.28], [0, 0.46, 0.54, 0]])
    np.testing.assert_allclose(
        gradient_at_the_logits(method).numpy(), ((LOGITS.softmax(1) - moved) / 2).numpy(), atol=1e-6
    )
    of_queries = method.projection.get_parameter("rows").grad
    assert of_queries is not None
    assert of_queries.abs().max() > 0.1
    assert all(parameter.grad is None for parameter in method.key_encoder.parameters())


def test_an_unfilled_queue_has_no_positives_and_weights_begin_uniform() -> None:
    fresh = built(PiCO, PiCO.Params(queue_size=5))
    assert fresh.queue_labels.tolist() == [-1] * 5
    assert torch.equal(fresh.candidate_weights(), uniform_weights(pool_sets()))
    assert fresh.prototypes.abs().max() == 0
    torch.testing.assert_close(fresh.queue.rows.norm(dim=1), torch.ones(5))
