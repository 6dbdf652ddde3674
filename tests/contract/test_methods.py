"""The suite that every registered method passes, without anyone writing a test for it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backbones.backbone import Backbone
from engine.config.run_config import RunConfig, live_settings
from engine.data.image_set import ImageSet
from engine.data.split import make_split
from engine.lab.executors.inline import train
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod
from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.predictor import Predictor
from engine.registry import backbones, datasets, methods
from engine.runs.journal import Row
from engine.runs.store import Run, Store
from engine.training import checkpoint
from engine.training.assemble import assemble, load_images, make_method, make_task
from engine.training.commands import Command, Control
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.batches import Batches
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.loops.make_loop import make_loop
from engine.training.model_file import load_model
from engine.training.retest import retest
from engine.training.trainer import Trainer
from tests.contract.dropout_cnn import DropoutCNN
from tests.contract.toy import Toy
from tests.contract.trial_methods import TRIALS

# Registered methods, and those that were written to try the contract.
CLASSES = {name: methods[name] for name in methods} | TRIALS
METHODS = list(CLASSES)
WITHOUT_LOGITS = [name for name in METHODS if CLASSES[name].supervision == {"none"}]
# Every run of a method without logits ends with dozens of probes, which take longer than its training.
SLOW = {*WITHOUT_LOGITS, *TRIALS}
EACH = [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in METHODS]
WITH_STEPS = [name for name in METHODS if not CLASSES[name].fitted]
STEPS = 12
Trained = Callable[[str], Run]


@pytest.fixture(scope="module", autouse=True)
def _made_for_tests() -> Iterator[None]:
    datasets.register(Toy)
    backbones.register(DropoutCNN)
    for cls in TRIALS.values():
        methods.register(cls)
    yield
    datasets.remove("toy")
    backbones.remove("dropout_cnn")
    for name in TRIALS:
        methods.remove(name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of `config(method)`, trained once for all tests that only look at it."""
    root, done = tmp_path_factory.mktemp("contract"), dict[str, Run]()

    def get(method: str) -> Run:
        if method not in done:
            done[method] = train(config(method), root)
        return done[method]

    return get


def config(
    method: str, seed: int = 0, steps: int = STEPS, batch: int = 6, backbone: str | None = None, **data: Any
) -> RunConfig:
    cls = CLASSES[method]
    per_class = data.pop("labels", 2)
    kind = {"kind": "few", "per_class": per_class} if "few" in cls.supervision else {"kind": sorted(cls.supervision)[0]}
    plain = {
        "seed": seed,
        "method": {"name": method},
        "data": {"name": "toy", "labels": kind, **data},
        "hardware": {"device": "cpu", "threads": 1},
    }
    fitting = sorted(cls.backbones if cls.backbones is not None else ["small_cnn"])
    network = {"backbone": {"name": backbone or fitting[0]}} if fitting else {}
    return RunConfig.parse({**plain, **network, "budget": {"steps": steps, "batch_size": batch, "evaluate_every": 5}})


def weights(run: Run) -> dict[str, torch.Tensor]:
    saved = checkpoint.load(run.folder)
    assert saved is not None
    return {f"{part}.{name}": value for part in ("method", "average") for name, value in saved[part].items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def numbers(run: Run) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.folder.metrics()]


def stopped_at(store: Store, plain: RunConfig, step: int, commands: list[Command] | None = None) -> Run:
    """Train a run and interrupt it before the 0-based `step`, sending `commands` on the way."""

    class Scripted(Control):
        steps = itertools.count()

        def poll(self) -> Command | None:
            if (waiting := super().poll()) is not None:
                return waiting
            now = next(self.steps)
            return Command("interrupt") if now == step else None

    control = Scripted()
    for command in commands or []:
        control.send(command)
    folder = store.create(plain.model_dump(mode="json"))
    Trainer(folder, control).run()
    return store.run(folder.id)


@pytest.mark.parametrize("method", EACH)
def test_a_seed_determines_everything_and_another_seed_changes_it(
    method: str, tmp_path: Path, trained: Trained
) -> None:
    first, again, other = trained(method), *(train(config(method, seed), tmp_path) for seed in (0, 1))
    assert same(weights(first), weights(again))
    assert numbers(first) == numbers(again)
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("method", EACH)
def test_an_interrupted_and_resumed_run_is_bit_identical(method: str, tmp_path: Path, trained: Trained) -> None:
    whole = trained(method)
    for step in (step for step in (0, 1, 7) if step < whole.status.step):
        assert_resumes_to_the_same_bits(whole, config(method), step, tmp_path)


@pytest.mark.parametrize("method", [name for name in WITH_STEPS if CLASSES[name].backbones is None])
def test_dropout_is_the_same_in_a_resumed_run(method: str, tmp_path: Path) -> None:
    """It draws from the global generator, also in what a method does before and after the update."""
    plain = config(method, steps=6, backbone="dropout_cnn")
    assert_resumes_to_the_same_bits(train(plain, tmp_path), plain, 3, tmp_path)


def assert_resumes_to_the_same_bits(whole: Run, plain: RunConfig, step: int, root: Path) -> None:
    from engine.lab.executors.inline import resume

    cut = stopped_at(Store(root), plain, step)
    assert cut.status.state == "interrupted"
    assert cut.status.step == step
    torch.rand(step + 1)  # what another process drew before is no matter
    resumed = resume(cut.id, root)
    assert resumed.status.state == "finished"
    assert same(weights(whole), weights(resumed)), step
    assert numbers(whole) == numbers(resumed), step
    for evaluated in whole.folder.snapshot_steps():
        ours, theirs = whole.folder.snapshot(evaluated), resumed.folder.snapshot(evaluated)
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours), (step, evaluated)


@pytest.mark.parametrize("method", EACH)
def test_a_live_change_is_replayed_on_resume(method: str, tmp_path: Path, trained: Trained) -> None:
    from engine.lab.executors.inline import resume

    keys = [key for key in live_settings(config(method))]
    if CLASSES[method].fitted:
        assert not keys
        pytest.skip("is fitted without an optimizer and has no setting that may change meanwhile")
    assert keys, "the learning rate can always be changed"
    key = keys[0]
    value = live_settings(config(method))[key] * 0.5
    whole = stopped_at(Store(tmp_path), config(method), STEPS, [Command("set", key, value)])
    cut = stopped_at(Store(tmp_path), config(method), 5, [Command("set", key, value)])
    resumed = resume(cut.id, tmp_path)
    assert same(weights(whole), weights(resumed))
    assert not same(weights(resumed), weights(trained(method)))


@pytest.mark.parametrize("method", EACH)
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


@pytest.mark.parametrize("method", EACH)
def test_hidden_labels_change_nothing(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Trained
) -> None:
    plain = config(method)
    if plain.data.labels.kind == "all":
        pytest.skip("learns from all labels: none is hidden")
    honest = trained(method)
    images = load_images(plain)
    split = make_split(images, plain.data)
    hidden = np.isin(images.ids, split.unlabeled)
    shuffled = images.labels.copy()
    shuffled[hidden] = (shuffled[hidden] + 1) % images.classes
    changed = ImageSet(
        images.name, images.images, shuffled, images.ids, images.is_test, images.class_names, images.symmetries
    )
    monkeypatch.setattr("engine.training.assemble.load_images", lambda config: changed)
    monkeypatch.setattr("engine.training.assemble.make_split", lambda images, params: split)
    monkeypatch.setattr("engine.lab.executors.inline.check", lambda config, checkpoints: None)
    fooled = train(plain, tmp_path)
    assert same(weights(honest), weights(fooled))


@pytest.mark.parametrize("method", EACH)
@pytest.mark.parametrize(
    ("channels", "classes", "labels", "batch"), [(1, 2, 1, 2), (3, 26, 1, 5), (3, 2, 2, 64), (1, 26, 2, 16)]
)
def test_any_channels_classes_labels_and_batch(
    method: str, channels: int, classes: int, labels: int, batch: int, tmp_path: Path
) -> None:
    asked = config(method, channels=channels, classes=classes, labels=labels, batch=batch, steps=4)
    run = train(asked, tmp_path)
    assert run.status.state == "finished"
    last = run.folder.snapshot(run.status.step)
    assert last["probabilities"].shape[1] == classes
    np.testing.assert_allclose(last["probabilities"].astype(float).sum(1), 1, atol=0.02)  # each kept in 16 bits
    images = load_images(asked)
    truth = dict(zip(images.ids[images.is_test].tolist(), images.labels[images.is_test].tolist(), strict=True))
    right = [
        truth[id] == row.argmax()
        for id, row in zip(last["ids"].tolist(), last["probabilities"], strict=True)
        if id in truth
    ]
    assert len(right) == len(truth)
    assert run.status.metrics["test/accuracy"] == pytest.approx(np.mean(right), abs=0.02)  # ties of 16 bits
    losses = [
        value
        for row in run.folder.metrics()
        for name, value in row.items()
        if name.startswith("loss/") or name == "change"
    ]
    assert losses
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("method", EACH)
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


@pytest.mark.parametrize("method", WITHOUT_LOGITS)
def test_a_method_without_logits_is_measured_by_probes_and_ends_with_one_that_answers(
    method: str, tmp_path: Path, trained: Trained
) -> None:
    run = trained(method)
    live, final = run.folder.snapshot(5), run.folder.snapshot(STEPS)
    assert "probabilities" not in live
    assert live["embeddings"].ndim == 2
    assert final["probabilities"].shape[1] == 3
    evaluated = [row for row in run.folder.metrics() if "test/knn_1_per_class" in row]
    assert [row["step"] for row in evaluated] == [5, 10, STEPS]
    probes = [f"knn_{labels}" for labels in ("1_per_class", "5_per_class", "full")]
    probes += [f"linear_{labels}" for labels in ("1_per_class", "5_per_class", "10_per_class", "full")]
    references = {f"test/{probe}/{of}" for probe in probes for of in ("pixels", "first_weights")}
    assert {f"test/{probe}" for probe in probes} | references <= run.status.metrics.keys()
    # What it is held against is there before the first step: a run that learns less has the same references.
    shorter = train(config(method, steps=5), tmp_path).status.metrics
    for name in references:
        assert run.status.metrics[name] == shorter[name], name
    # The toy's classes are bright rows: whoever sees all pixels and labels tells them apart.
    assert run.status.metrics["test/linear_full/pixels"] == 1
    assert run.status.metrics["test/accuracy"] == run.status.metrics["test/linear_full"]
    predictor = Predictor(run.folder)
    assert predictor.probe is not None
    assert predictor.probe["labels"] == len(run.folder.split()["pool"])


@pytest.mark.parametrize("method", EACH)
def test_the_saved_model_answers_one_image_or_many_as_the_run_did(method: str, trained: Trained) -> None:
    run = trained(method)
    arrays = run.folder.snapshot(run.status.step)
    images = load_images(config(method))
    order = np.argsort(images.ids)
    evaluated = images.images[order[np.searchsorted(images.ids[order], arrays["ids"])]]
    predictor = Predictor(run.folder)
    many = predictor.probabilities(evaluated)
    np.testing.assert_allclose(many, arrays["probabilities"], atol=1e-3)  # the snapshot keeps 16 bits
    np.testing.assert_allclose(
        np.concatenate([predictor.probabilities(evaluated[i : i + 1]) for i in range(3)]), many[:3], atol=1e-5
    )
    measured = retest(run.folder)
    assert measured["test/accuracy"] == pytest.approx(run.status.metrics["test/accuracy"])


@pytest.mark.parametrize(
    ("method", "backbone"),
    [
        (method, backbone)
        for method in METHODS
        for backbone in backbones
        if method not in TRIALS and backbone in (CLASSES[method].backbones or backbones)
    ],
)
def test_every_backbone_it_names_works(method: str, backbone: str, tmp_path: Path) -> None:
    plain = json.loads(config(method, steps=2, size=max(8, backbones[backbone].smallest)).model_dump_json())
    run = train(RunConfig.parse({**plain, "backbone": {"name": backbone}}), tmp_path)
    assert run.status.state == "finished"


@pytest.mark.parametrize("method", EACH)
def test_pseudo_labels_are_shares_and_name_images_of_the_pool(method: str, trained: Trained) -> None:
    run = trained(method)
    arrays = run.folder.snapshot(run.status.step)
    if "pseudo_ids" not in arrays:
        pytest.skip(f"{method} reports no pseudo-labels")
    assert np.isin(arrays["pseudo_ids"], run.folder.split()["pool"]).all()
    for name in {"confidence", "weight", "threshold"} & {key.removeprefix("pseudo_") for key in arrays}:
        assert ((arrays[f"pseudo_{name}"] >= 0) & (arrays[f"pseudo_{name}"] <= 1)).all()
    assert ((arrays["pseudo_labels"] >= 0) & (arrays["pseudo_labels"] < 3)).all()


@pytest.mark.parametrize("method", EACH)
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


@pytest.mark.parametrize("method", EACH)
def test_one_forward_pass_of_each_network_moves_its_batch_norm_once(method: str) -> None:
    built, batch, now = _one_step(method)
    norms = [m for m in built.backbone.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    before = [int(m.get_buffer("num_batches_tracked")) for m in norms]
    built.step(batch, now)
    assert [int(m.get_buffer("num_batches_tracked")) - n for m, n in zip(norms, before, strict=True)] == [1] * len(
        norms
    )


@pytest.mark.parametrize("method", EACH)
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


@pytest.mark.parametrize("method", EACH)
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
