"""The suite that runs of every registered method pass, without anyone writing a test for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.config.run_config import RunConfig, live_settings
from engine.data.image_set import ImageSet
from engine.data.split import make_split
from engine.lab.executors.inline import train
from engine.predictor import Predictor
from engine.registry import backbones
from engine.runs.store import Run, Store
from engine.training.assemble import load_images
from engine.training.commands import Command
from engine.training.retest import retest
from tests.contract.method_runs import (
    CLASSES,
    LARGE,
    METHODS,
    ONE_OF_EACH_BASE,
    STEPS,
    WITH_STEPS,
    WITHOUT_LOGITS,
    Trained,
    backbones_of,
    config,
    numbers,
    same,
    stopped_at,
    trains_each,
    weights,
)

pytestmark = pytest.mark.usefixtures("parts_of_tests", "few_probes")


@pytest.mark.parametrize("method", trains_each(METHODS))
def test_a_seed_determines_everything_and_another_seed_changes_it(
    method: str, tmp_path: Path, trained: Trained
) -> None:
    first, again, other = trained(method), *(train(config(method, seed), tmp_path) for seed in (0, 1))
    assert same(weights(first), weights(again))
    assert numbers(first) == numbers(again)
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("method", trains_each(METHODS))
def test_an_interrupted_and_resumed_run_is_bit_identical(method: str, tmp_path: Path, trained: Trained) -> None:
    whole = trained(method)
    for step in (step for step in (0, 1, 7) if step < whole.status.step):
        assert_resumes_to_the_same_bits(whole, config(method), step, tmp_path)


@pytest.mark.parametrize("method", trains_each(name for name in WITH_STEPS if CLASSES[name].backbones is None))
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


@pytest.mark.parametrize("method", trains_each(METHODS))
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


@pytest.mark.parametrize("method", trains_each(METHODS))
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


@pytest.mark.parametrize("method", trains_each(METHODS))
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
    of_truth, of_others = np.transpose(
        [
            (row[truth[id]], np.delete(row, truth[id]).max())
            for id, row in zip(last["ids"].tolist(), last["probabilities"], strict=True)
            if id in truth
        ]
    )
    assert len(of_truth) == len(truth)
    # In 16 bits, two classes may be equally probable that were not so to the network.
    surely, possibly = (of_truth > of_others).mean(), (of_truth >= of_others).mean()
    assert surely - 1e-6 <= run.status.metrics["test/accuracy"] <= possibly + 1e-6
    losses = [
        value
        for row in run.folder.metrics()
        for name, value in row.items()
        if name.startswith("loss/") or name == "change"
    ]
    assert losses
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("method", trains_each(WITHOUT_LOGITS))
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


@pytest.mark.parametrize("method", trains_each(METHODS))
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


@pytest.mark.slow  # a second each, and there are very many
@pytest.mark.parametrize(
    ("method", "backbone"),
    [
        (method, backbone)
        for method in METHODS
        for backbone in backbones_of(method)
        if backbone not in LARGE or method in ONE_OF_EACH_BASE
    ],
)
def test_every_backbone_it_names_works(method: str, backbone: str, tmp_path: Path) -> None:
    """Large ones with one method of each base class: what a method does with its backbone is its base's."""
    plain = json.loads(config(method, steps=2, size=max(8, backbones[backbone].smallest)).model_dump_json())
    run = train(RunConfig.parse({**plain, "backbone": {"name": backbone}}), tmp_path)
    assert run.status.state == "finished"


@pytest.mark.parametrize("method", trains_each(METHODS))
def test_pseudo_labels_are_shares_and_name_images_of_the_pool(method: str, trained: Trained) -> None:
    run = trained(method)
    arrays = run.folder.snapshot(run.status.step)
    if "pseudo_ids" not in arrays:
        pytest.skip(f"{method} reports no pseudo-labels")
    assert np.isin(arrays["pseudo_ids"], run.folder.split()["pool"]).all()
    for name in {"confidence", "weight", "threshold"} & {key.removeprefix("pseudo_") for key in arrays}:
        assert ((arrays[f"pseudo_{name}"] >= 0) & (arrays[f"pseudo_{name}"] <= 1)).all()
    assert ((arrays["pseudo_labels"] >= 0) & (arrays["pseudo_labels"] < 3)).all()
