"""Features learned without a label, end to end on digits: ahead of raw pixels and of the untrained network, which a
wrong loss is not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.self_supervised import GOALS, lead
from engine.analysis.collapse import collapse_warning
from engine.analysis.projection import ProjectionRequest
from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.errors import ConfigError, RunError
from engine.lab.executors.inline import resume, train
from engine.lab.projections.projection_inputs import Sample, load_inputs
from engine.lab.projections.projection_queue import ProjectionQueue
from engine.predictor import Predictor
from engine.presets import PRESETS
from engine.registry import methods
from engine.runs.store import Run, Store
from engine.training import checkpoint
from engine.training.assemble import load_images
from engine.training.commands import Command
from engine.training.retest import retest
from engine.training.trainer import Trainer
from tests.fixtures_images import folder_of, grey
from tests.integration.trainer_process import At

SHORT = {"method": {"name": "simclr"}, "budget": {"steps": 10, "batch_size": 32, "evaluate_every": 5}}
# A third of the preset's steps and another seed than the benchmark's: enough to reach the goal with room.
QUICK = {"seed": 20, "budget.steps": 400, "budget.evaluate_every": 200, "hardware.device": "cpu", "hardware.threads": 1}


def curve(run: Run, name: str) -> list[float]:
    return [row[name] for row in run.folder.metrics() if name in row]


@pytest.mark.slow
def test_simclr_reaches_the_goal_on_digits_and_the_wrong_loss_fails_it(tmp_path: Path) -> None:
    config = RunConfig.parse(PRESETS["digits-simclr"].config).with_changes(QUICK)
    right = train(config, tmp_path)
    for per_class, goal in GOALS.items():
        assert lead(right.status.metrics, per_class) >= goal, per_class
    assert collapse_warning(curve(right, "embedding/spread"), curve(right, "embedding/rank")) is None
    wrong = train(config.with_changes({"method.loss": "swapped_masks"}), tmp_path)
    for per_class, goal in GOALS.items():
        assert lead(wrong.status.metrics, per_class) < goal / 2, per_class
    # Its loss looks perfect, and all labels hide most of what happened; the spread of the embedding tells.
    assert curve(wrong, "loss/unlabeled")[-1] < 0.1
    assert wrong.status.metrics["test/accuracy"] > 0.8
    assert "is collapsing" in str(collapse_warning(curve(wrong, "embedding/spread"), curve(wrong, "embedding/rank")))


def test_the_method_alone_is_a_whole_request(trained: Callable[..., Run]) -> None:
    run = trained(**SHORT)
    assert run.config["data"]["labels"] == {"kind": "none"}
    assert len(run.folder.split()["labeled"]) == 0
    assert run.status.state == "finished"


def test_the_final_probe_is_what_predicts_and_the_file_says_what_it_is(trained: Callable[..., Run]) -> None:
    run = trained(**SHORT)
    predictor = Predictor(run.folder)
    assert predictor.probe is not None
    pool, held = run.folder.split()["pool"], run.folder.split()["validation"]
    assert (predictor.probe["name"], predictor.probe["labels"], predictor.probe["validation_labels"]) == (
        "linear_full",
        len(pool),
        len(held),
    )
    assert "never on test" in predictor.probe["protocol"]
    images = load_images(RunConfig.parse(run.config))
    probabilities = predictor.probabilities(images.images[images.is_test])
    assert (probabilities.argmax(1) == images.labels[images.is_test]).mean() == pytest.approx(
        run.status.metrics["test/accuracy"]
    )
    again = retest(run.folder)
    assert again == {name: pytest.approx(run.status.metrics[name]) for name in again}
    assert {"test/accuracy", "test/macro_f1", "test/auc_roc", "test/ece", "test/knn_full"} <= again.keys()


def test_a_snapshot_keeps_what_the_projection_head_makes_of_the_features(trained: Callable[..., Run]) -> None:
    run = trained(**SHORT)
    saved = checkpoint.load(run.folder)
    assert saved is not None
    head = {name: value.double().numpy() for name, value in saved["average_head"].items()}
    for step in run.folder.snapshot_steps():
        assert run.folder.snapshot(step)["projections"].shape == (len(run.folder.snapshot(step)["ids"]), 128)
    arrays = run.folder.snapshot(run.folder.snapshot_steps()[-1])
    hidden = arrays["embeddings"].astype(np.float64) @ head["0.weight"].T
    hidden = (hidden - head["1.running_mean"]) / np.sqrt(head["1.running_var"] + 1e-5) * head["1.weight"] + head[
        "1.bias"
    ]
    expected = np.maximum(hidden, 0) @ head["3.weight"].T + head["3.bias"]
    assert np.abs(expected).max() > 0.05
    # Both kept in 16 bits.
    np.testing.assert_allclose(arrays["projections"], expected, atol=0.01 * np.abs(expected).max())
    material = load_inputs(run.folder.path, "projections", [10], Sample())
    np.testing.assert_array_equal(material.last(), arrays["projections"][np.argsort(arrays["ids"])].astype(np.float32))


@pytest.mark.slow
def test_a_checkpoint_from_before_heads_were_averaged_goes_on(tmp_path: Path) -> None:
    folder = Store(tmp_path).create(RunConfig.parse({**SHORT, "data": {"name": "digits"}}).model_dump(mode="json"))
    Trainer(folder, At(7, Command("interrupt"))).run()
    saved = checkpoint.load(folder)
    assert saved is not None
    del saved["average_head"]
    checkpoint.save(folder, saved)
    ended = resume(folder.id, tmp_path)
    assert (ended.status.state, ended.status.step) == ("finished", 10)
    assert ended.folder.snapshot(10)["projections"].shape[1] == 128


def test_labels_that_a_method_cannot_learn_from_are_refused_when_they_are_asked_for() -> None:
    for asked, sentence in (
        (
            {"kind": "few", "per_class": 2},
            "simclr learns from none labels, but data.labels.kind is 'few': change one of the two.",
        ),
        ({"per_class": 2}, "There is no setting 'data.labels.per_class': remove it, or check its spelling."),
    ):
        with pytest.raises(ConfigError) as refused:
            RunConfig.parse({"method": "simclr", "data": {"name": "digits", "labels": asked}})
        assert str(refused.value) == sentence


def without_labels(known: int) -> Callable[[Any], ImageSet]:
    """Digits of which only the first `known` have labels."""

    def load(config: Any) -> ImageSet:
        images = load_images(config)
        labels = np.where(np.arange(len(images.labels)) < known, images.labels, -1)
        return ImageSet(images.name, images.images, labels, images.ids, images.is_test, images.class_names)

    return load


def patched(monkeypatch: pytest.MonkeyPatch, known: int) -> None:
    load = without_labels(known)
    for place in ("engine.training.assemble", "engine.training.retest"):
        monkeypatch.setattr(f"{place}.load_images", load)


def test_images_without_any_label_train_and_only_predict_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched(monkeypatch, 0)
    run = train(RunConfig.parse(SHORT), tmp_path)
    assert run.status.state == "finished"
    assert run.status.metrics == {}
    assert curve(run, "embedding/spread")
    with pytest.raises(RunError) as refused:
        Predictor(run.folder)
    assert (
        str(refused.value)
        == f"Run {run.id} learned features and no classes, and its images have no labels for a probe: give some of"
        " them a label and start it again."
    )
    assert retest(run.folder) == {}


def test_photos_without_any_class_train_and_what_needs_labels_refuses_them(tmp_path: Path) -> None:
    photos = folder_of(tmp_path / "photos", {f"IMG_{i}.png": grey(5 * i) for i in range(40)})
    asked = {**SHORT, "data": {"name": "folder", "path": str(photos), "size": 8}}
    run = train(RunConfig.parse(asked), tmp_path / "runs")
    assert (run.status.state, run.status.metrics) == ("finished", {})
    assert len(run.folder.split()["pool"]) == 40
    assert curve(run, "embedding/spread")
    with pytest.raises(RunError, match="its images have no labels for a probe"):
        Predictor(run.folder)
    assert retest(run.folder) == {}
    with closing(ProjectionQueue(run.folder.path.parent)) as projector:
        request = ProjectionRequest(method="pca")
        projected = projector.ask(run.folder.path, "embeddings", request, [5, 10], Sample()).result(60)
    assert (projected.labels == -1).all()
    assert np.isnan(projected.purity).all()
    assert projected.purity_per_class.shape == (2, 0)
    for method in sorted(name for name in methods if "none" not in methods[name].supervision):
        with pytest.raises(ConfigError) as refused:
            train(RunConfig.parse(asked | {"method": {"name": method}}), tmp_path / "refused")
        assert str(refused.value).startswith("None of the images has a label: "), method


def test_a_probe_of_few_known_labels_still_answers_for_every_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched(monkeypatch, 7)  # one image of some classes, none of others, and no validation
    run = train(RunConfig.parse(SHORT), tmp_path)
    predictor = Predictor(run.folder)
    assert predictor.probe is not None
    assert 0 < predictor.probe["labels"] <= 7
    assert predictor.probabilities(np.zeros((1, 1, 8, 8), np.uint8)).shape == (1, 10)


@pytest.mark.slow
def test_the_baseline_of_first_weights_is_what_the_run_started_from(trained: Callable[..., Run]) -> None:
    """Features that an earlier run had learned already were not learned by this one."""
    name = "test/knn_5_per_class"
    earlier = trained(method={"name": "simclr"}, budget={"steps": 120, "batch_size": 64, "evaluate_every": 60})
    random = trained(**SHORT).status.metrics[f"{name}/first_weights"]
    again = RunConfig.parse(trained(**SHORT).config).with_changes({"backbone.init": f"run:{earlier.id}"})
    started = train(again, earlier.folder.path.parent).status.metrics[f"{name}/first_weights"]
    learned = earlier.status.metrics[name]
    assert learned - random > 0.06
    assert abs(started - learned) < (learned - random) / 3
