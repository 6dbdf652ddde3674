"""The suite that networks and single steps of every registered method pass, without anyone writing a test for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backbones.backbone import Backbone
from engine.config.run_config import RunConfig, live_settings
from engine.data.split import make_split
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.training.assemble import assemble, load_images, make_method, make_task
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.batches import Batches
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.loops.make_loop import make_loop
from engine.training.model_file import load_model
from tests.contract.method_runs import (
    CLASSES,
    METHODS,
    STEPS,
    WITH_STEPS,
    WITHOUT_LOGITS,
    Trained,
    config,
    same,
)

pytestmark = pytest.mark.usefixtures("parts_of_tests")


@pytest.mark.parametrize("method", METHODS)
def test_a_live_setting_shapes_neither_the_batches_nor_the_network(method: str) -> None:
    """It is replaced while the run trains: what was made with the old value must be what the new one would make."""
    plain = config(method)
    images = load_images(plain)
    task = make_task(plain, images, make_split(images, plain.data))

    def shape_of(config: RunConfig) -> tuple[object, ...]:
        built = make_method(config, task)
        streams = built.streams() if isinstance(built, GradientMethod) else None
        return streams, {name: tuple(value.shape) for name, value in built.state_dict().items()}

    of_its_own = [key for key in live_settings(plain) if key.startswith("method.")]
    if not of_its_own:
        pytest.skip("has no setting of its own that may change while it trains")
    for key in of_its_own:
        assert shape_of(plain.with_changes({key: live_settings(plain)[key] * 0.5})) == shape_of(plain), key


@pytest.mark.parametrize("method", METHODS)
def test_what_is_served_answers_one_image_as_it_answers_it_among_others(method: str) -> None:
    built, batch, _ = _one_step(method)
    images = next(iter(built.show(batch).values()))
    served = built.served().eval()
    with torch.inference_mode():
        (alone, logits), (features, _) = served(images[:1]), served(images)
    assert torch.allclose(alone, features[:1], atol=1e-5)
    if logits is None:
        assert method in WITHOUT_LOGITS, "a method that knows no classes says so by learning without labels"
    else:
        assert logits.shape == (1, 3)
        assert logits.dtype == torch.float32


@pytest.mark.parametrize("method", METHODS)
def test_showing_what_it_sees_changes_nothing(method: str) -> None:
    built, batch, _ = _one_step(method)
    before = {name: value.clone() for name, value in built.state_dict().items()}
    shown = built.show(batch)
    assert shown
    assert all(view.shape[1:] == (1, 8, 8) for view in shown.values())
    assert same(before, built.state_dict())


@pytest.mark.parametrize("method", WITH_STEPS)
def test_what_is_served_is_what_the_method_has_after_its_step(method: str) -> None:
    """Not what it had before `after_update`, in which teachers move."""
    loop, plain = _loop(method, ema_decay=0.0)
    for step in range(2):
        loop.run_step(StepContext(0, step, STEPS), plain)
        assert same(loop.method.served().state_dict(), loop.served().state_dict()), step


@pytest.mark.parametrize("method", METHODS)
def test_every_network_of_a_method_is_normalized_by_the_training_images(method: str) -> None:
    """Teachers, targets and key encoders are copies that a method makes when it is made."""
    plain = config(method)
    run = assemble(plain, Path("nowhere"))
    training = run.images.images[~run.images.is_test].astype(np.float64) / 255
    networks = [network for network in run.method.modules() if isinstance(network, Backbone)]
    assert networks
    for network in networks:
        np.testing.assert_allclose(network.mean.numpy(), training.mean((0, 2, 3)), atol=1e-6)
        np.testing.assert_allclose(network.std.numpy(), training.std((0, 2, 3)), atol=1e-6)


@pytest.mark.parametrize("method", [name for name in METHODS if CLASSES[name].backbones is None])
def test_every_network_of_a_method_starts_from_the_weights_that_are_asked_for(
    method: str, tmp_path: Path, trained: Trained
) -> None:
    from_run = trained("supervised")
    store = from_run.folder.path.parent
    plain = config(method).with_changes({"backbone.init": f"run:{from_run.id}"})
    networks = [part for part in assemble(plain, store).method.modules() if isinstance(part, Backbone)]
    learned = load_model(from_run.folder)[0].get_submodule("backbone").state_dict()
    for network in networks:
        assert same(dict(learned), dict(network.state_dict()))


@pytest.mark.parametrize("method", WITH_STEPS)
def test_rounding_inside_networks_reaches_no_loss_and_no_logits(method: str) -> None:
    """With bfloat16, only networks compute in it: what comes out of them, and the loss, is float32."""
    loop, plain = _loop(method, precision="bfloat16")
    types = set[torch.dtype]()
    for module in loop.method.modules():
        if isinstance(module, Backbone):
            module.register_forward_hook(lambda module, inputs, output: types.add(output.dtype))
    result = loop.run_step(StepContext(0, 0, STEPS), plain)
    assert types == {torch.float32}
    assert result.loss.dtype == torch.float32
    features, logits = loop.served().eval()(torch.rand(2, 1, 8, 8))
    assert features.dtype == torch.float32
    assert logits is None or logits.dtype == torch.float32


@pytest.mark.parametrize("method", METHODS)
def test_one_forward_pass_of_each_network_moves_its_batch_norm_once(method: str) -> None:
    built, batch, now = _one_step(method)
    norms = [m for m in built.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [int(m.get_buffer("num_batches_tracked")) for m in norms]
    built.step(batch, now)
    assert [int(m.get_buffer("num_batches_tracked")) - n for m, n in zip(norms, before, strict=True)] == [1] * len(
        norms
    )


@pytest.mark.parametrize("method", METHODS)
def test_no_optimizer_weight_decay_reaches_biases_or_normalization(method: str) -> None:
    from engine.training.loops.optimizer import ScheduledOptimizer

    built, _, _ = _one_step(method)
    # A method may recommend no decay: what is held here is where it goes if there is some.
    params = config(method).optimizer.model_copy(update={"weight_decay": 0.01})
    optimizer = ScheduledOptimizer(built, params).torch
    decayed = {id(p) for group in optimizer.param_groups if group["weight_decay"] > 0 for p in group["params"]}
    every = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in built.parameters() if p.requires_grad} == every
    assert decayed == {id(p) for p in built.parameters() if p.requires_grad and p.ndim > 1}


@pytest.mark.parametrize("method", METHODS)
def test_people_are_told_what_it_is(method: str) -> None:
    cls = CLASSES[method]
    for text in (cls.title, cls.summary, cls.idea, cls.paper, cls.formula):
        assert text.strip()
    for field in cls.Params.model_fields.values():
        assert field.description or field.default == method


def test_bn_stats_frozen_still_normalizes_with_the_batch() -> None:
    norm = torch.nn.BatchNorm2d(2).train()
    images = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0)) * 3 + 1
    expected = norm(images)
    mean = norm.get_buffer("running_mean").clone()
    with bn_stats_frozen(norm):
        assert torch.equal(norm(images * 5), norm(images * 5))
        assert torch.allclose(norm(images), expected)
    assert torch.equal(norm.get_buffer("running_mean"), mean)
    norm(images)
    assert not torch.equal(norm.get_buffer("running_mean"), mean)


def _one_step(method: str) -> tuple[GradientMethod, Any, StepContext]:
    plain = config(method)
    images = load_images(plain)
    split = make_split(images, plain.data)
    machine = resolve(plain.hardware)
    built = make_method(plain, make_task(plain, images, split))
    if not isinstance(built, GradientMethod):
        pytest.skip("has no batches, no optimizer and no views")
    built.train()
    now = StepContext(0, 0, STEPS)
    return built, Batches(built, plain, images, split, machine).batch(now), now


def _loop(method: str, precision: str = "float32", **optimizer: float) -> tuple[GradientLoop, RunConfig]:
    changes = {f"optimizer.{name}": value for name, value in optimizer.items()}
    plain = config(method).with_changes({**changes, "hardware.precision": precision})
    run, machine = assemble(plain, Path("nowhere")), resolve(plain.hardware)
    evaluator = Evaluator(run.images, run.split, machine)
    loop = make_loop(machine.place(run.method), plain, run.images, run.split, machine, evaluator)
    assert isinstance(loop, GradientLoop)
    return loop, plain
