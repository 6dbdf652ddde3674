"""Numbers that are not finite: no run keeps them as its result, and no model that holds them answers."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import safetensors.torch
import torch
from torch import nn

from engine import Predictor, train
from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.errors import NonFiniteLoss, RunError
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import StepResult
from engine.registry import methods
from engine.runs.store import Run, Store


class Quiet(ClassifierMethod):
    """Its losses and predictions stay finite, whatever the last step does to a part that they do not pass through."""

    class Params(MethodParams):
        name: Literal["quiet"] = "quiet"

    title, summary, idea, formula, paper = "Quiet", "Breaks.", "Break.", "0", "none"

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.classifier.register_buffer("unseen", torch.ones(2))

    def streams(self) -> dict[str, Stream]:
        return {"labeled": Stream("labeled", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        (logits,) = self.classifier.logits(batch["labeled"].weak)
        return StepResult(logits.square().mean(), {})

    def after_update(self, batch: Batch, now: StepContext) -> None:
        self.classifier.get_buffer("unseen")[1] = torch.nan


class Headless(Quiet):
    """The same of its projection head, which only snapshots look at."""

    class Params(Quiet.Params):
        name: Literal["headless"] = "headless"  # type: ignore[assignment]  # another method

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.head = nn.Linear(backbone.feature_size, 3).requires_grad_(False)

    def projection_head(self) -> nn.Module:
        return self.head

    def after_update(self, batch: Batch, now: StepContext) -> None:
        self.head.bias[0] = torch.inf


@pytest.fixture(params=[Quiet, Headless])
def broken(request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.param.Params().name
    methods.register(request.param)
    yield name
    methods.remove(name)


def test_a_network_or_a_projection_that_is_not_finite_ends_the_run_as_failed(broken: str, tmp_path: Path) -> None:
    config = {"method": {"name": broken}, "data": {"name": "digits"}, "budget": {"steps": 2, "evaluate_every": 2}}
    with pytest.raises(NonFiniteLoss, match=r"^The loss is not a finite number at step 2 "):
        train(config, tmp_path)
    (run,) = Store(tmp_path).runs()
    assert run.status.state == "failed"
    assert not run.folder.model_file.exists()
    assert not run.folder.snapshot_steps()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {"method": {"name": "supervised"}, "data": {"name": "digits"}, "budget": {"steps": 1}}
    return train(config, tmp_path_factory.mktemp("whole"))


def rewritten(run: Run, weights: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    data = run.folder.model_file.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    fewlab = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["fewlab"])
    tensors = {**safetensors.torch.load(data), **weights}
    safetensors.torch.save_file(tensors, run.folder.model_file, {"fewlab": json.dumps({**fewlab, **about})})


def test_a_metric_that_is_no_number_is_as_if_it_were_not_there(whole: Run) -> None:
    kept = whole.folder.model_file.read_bytes()
    try:
        rewritten(whole, {}, {"metrics": {"test/accuracy": 0.5, "test/auc_roc": float("nan"), "test/ece": None}})
        assert Predictor(whole.folder).metrics == {"test/accuracy": 0.5}
    finally:
        whole.folder.model_file.write_bytes(kept)


@pytest.mark.parametrize(
    ("weights", "about"),
    [
        ({"head.bias": torch.full((10,), torch.nan)}, {}),
        ({"head.bias": torch.full((10,), torch.inf)}, {}),
        ({}, {"temperature": float("nan")}),
        ({}, {"temperature": float("inf")}),
        ({}, {"temperature": 0.0}),
        ({}, {"temperature": -1.0}),
        ({}, {"temperature": "warm"}),
        ({}, {"metrics": {"test/accuracy": "good"}}),
    ],
    ids=str,
)
def test_a_model_whose_numbers_are_none_is_refused_in_one_sentence(
    weights: dict[str, torch.Tensor], about: dict[str, Any], whole: Run
) -> None:
    kept = whole.folder.model_file.read_bytes()
    try:
        rewritten(whole, {}, {})
        Predictor(whole.folder)
        rewritten(whole, weights, about)
        with pytest.raises(RunError) as refused:
            Predictor(whole.folder)
    finally:
        whole.folder.model_file.write_bytes(kept)
    assert str(refused.value) == (
        f"The model file of run {whole.id} is damaged or not FewLab's (ValueError): resume or repeat the run to write"
        " it again."
    )
