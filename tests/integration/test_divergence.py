"""A run whose numbers are lost ends as failed, with one sentence, wherever they were lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from engine import RunConfig, train
from engine.config.parts import MethodParams
from engine.errors import NonFiniteLoss
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.registry import methods
from engine.runs.store import Store
from engine.training.assemble import assemble
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve


class Cliff(ClassifierMethod):
    """A loss of 0 whose gradient is infinite: the distance of predictions to themselves, with the root at 0."""

    class Params(MethodParams):
        name: Literal["cliff"] = "cliff"

    title, summary, idea, formula, paper = "Cliff", "Falls.", "Fall.", "0", "none"

    def streams(self) -> dict[str, Stream]:
        return {"labeled": Stream("labeled", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        (logits,) = self.classifier.logits(batch["labeled"].weak)
        return StepResult((logits - logits.detach()).square().sum().sqrt(), {})


@pytest.fixture
def cliff() -> Iterator[None]:
    methods.register(Cliff)
    yield
    methods.remove("cliff")


@pytest.mark.usefixtures("cliff")
def test_a_run_that_diverges_in_its_last_step_fails_with_the_sentence_of_the_loss(tmp_path: Path) -> None:
    config = {"method": {"name": "cliff"}, "data": {"name": "digits"}, "budget": {"steps": 1}}
    with pytest.raises(NonFiniteLoss, match=r"^The loss is not a finite number at step 1 \(learning rate 0.005\): "):
        train(config, tmp_path)
    (run,) = Store(tmp_path).runs()
    assert run.status.state == "failed"
    assert run.status.reason.startswith("The loss is not a finite number at step 1 ")
    assert not run.folder.model_file.exists()
    assert not run.folder.snapshot_steps()


class Loud(torch.nn.Module):
    """Features beyond what 16 bits hold."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images.flatten(1) * 1e6 - 5e5, torch.zeros(len(images), 10)


def test_features_too_large_for_a_snapshot_are_stored_as_the_largest_number(tmp_path: Path) -> None:
    config = RunConfig.parse({"method": {"name": "supervised"}, "data": {"name": "digits"}})
    images, split, *_ = assemble(config, tmp_path)
    _, arrays = Evaluator(images, split, resolve(config.hardware)).evaluate(Loud())
    assert np.isfinite(arrays["embeddings"]).all()
    assert (float(arrays["embeddings"].max()), float(arrays["embeddings"].min())) == (65504, -65504)
