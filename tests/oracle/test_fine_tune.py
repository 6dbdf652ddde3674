"""Fine-tuning (Howard & Ruder 2018, arXiv:1801.06146): what one step changes in each stage, by its formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.backbones.small_cnn import SmallCNN
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.transfer.fine_tune import FineTune
from engine.optimizers.sgd import SGD
from engine.training.loops.optimizer import ScheduledOptimizer
from tests.oracle.fixtures_logits import LABELED_LOSS, batch, method, tensor

NOW = StepContext(0, 0, 10)
RATE, DECAY = 0.08, 0.5


def test_the_loss_is_the_cross_entropy_of_the_labeled_rows() -> None:
    logits = [[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    labels = [0, 2]
    by_hand = [math.log(sum(map(math.exp, row))) - row[label] for row, label in zip(logits, labels, strict=True)]
    parts = {"labeled": StreamBatch(torch.arange(2), torch.arange(2), torch.tensor(labels), {"weak": tensor(logits)})}
    assert method("fine_tune").step(parts, NOW).loss.item() == pytest.approx(sum(by_hand) / 2, abs=1e-6)


def test_it_is_the_labeled_loss_of_the_worked_example_and_looks_at_no_unlabeled_image() -> None:
    unlabeled = tensor([[9.0, -9.0, 0.0]] * 6)
    assert method("fine_tune").step(batch(unlabeled), NOW).loss.item() == pytest.approx(LABELED_LOSS, abs=1e-6)


def test_one_step_moves_each_stage_by_its_own_rate_times_its_gradient() -> None:
    """Section 3.2: the top stage at the learning rate, each one below at ξ times that of the one above; the head as the
    top.
    """
    backbone = SmallCNN(SmallCNN.Params(width=4), 1, 8)
    tuned = FineTune(FineTune.Params(layer_decay=DECAY, unfreezing=0), backbone, TaskSpec(3, 1, 8, {}, 6)).train()
    parameters = SGD.Params(lr=RATE, momentum=0, nesterov=False, weight_decay=0, warmup_steps=0)
    optimizer = ScheduledOptimizer(tuned, parameters)
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(6) % 3
    parts = {"labeled": StreamBatch(torch.arange(6), torch.arange(6), labels, {"weak": images})}
    tuned.step(parts, NOW).loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    owners = {"head": tuned.classifier.head, **{f"stage {n}": s for n, s in enumerate(backbone.stages())}}
    rates = {"head": RATE, "stage 3": RATE, "stage 2": RATE / 2, "stage 1": RATE / 4, "stage 0": RATE / 8}
    before: dict[str, list[tuple[Tensor, Tensor]]] = {
        name: [(p.detach().double().clone(), p.grad.double()) for p in module.parameters() if p.grad is not None]
        for name, module in owners.items()
    }
    optimizer.schedule(parameters, 0, 1)
    optimizer.torch.step()
    for name, module in owners.items():
        trained = [p for p in module.parameters() if p.grad is not None]
        assert len(trained) == len(before[name]) > 0
        for parameter, (value, gradient) in zip(trained, before[name], strict=True):
            assert float(gradient.abs().max()) > 0
            expected = value - rates[name] * gradient
            torch.testing.assert_close(parameter.detach().double(), expected, rtol=0, atol=1e-6)
