"""What joins the parts of a run: each formula may be right and the run still do something else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.config.run_config import RunConfig
from engine.lab.executors.inline import resume, train
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import StepContext
from engine.methods.base.method import GradientMethod, StepResult
from engine.predictor import Predictor
from engine.runs.folder import RunFolder
from engine.runs.store import Run, Store
from engine.training.assemble import AssembledRun, assemble, load_images
from engine.training.commands import Command, Control
from engine.training.evaluation import evaluator
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.batches import Batches
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.recorder import Recorder
from engine.training.running_metrics import RunningMetrics
from engine.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("toy")

STEPS = 12


def config(method: str = "fixmatch", changes: dict[str, Any] | None = None) -> RunConfig:
    plain = {
        "method": {"name": method},
        "data": {"name": "toy", "labels": {"kind": "few", "per_class": 2}},
        "budget": {"steps": STEPS, "batch_size": 4, "evaluate_every": 5},
        "hardware": {"device": "cpu", "threads": 1},
    }
    return RunConfig.parse(plain).with_changes(changes or {})


def assembled(plain: RunConfig) -> tuple[AssembledRun, GradientLoop, Evaluator]:
    run, machine = assemble(plain, Path("nowhere")), resolve(plain.hardware)
    measured = Evaluator(run.images, run.split, machine)
    assert isinstance(run.method, GradientMethod)
    placed = machine.place(run.method)
    return run, GradientLoop(placed, plain, run.images, run.split, machine, measured), measured


def test_what_answers_is_the_average_of_the_weights_after_each_step() -> None:
    """Against the same average kept here in float64: not the network itself, and not one step behind."""
    plain = config("supervised", {"optimizer.ema_decay": 0.9, "optimizer.lr": 0.3})
    _, loop, _ = assembled(plain)
    name = "head.weight"
    average = loop.method.served().state_dict()[name].double().clone()
    for step in range(6):
        loop.run_step(StepContext(0, step, STEPS), plain)
        decay = min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * loop.method.served().state_dict()[name].double()
        torch.testing.assert_close(loop.served().state_dict()[name].double(), average, atol=1e-6, rtol=1e-5)
    assert not torch.equal(loop.served().state_dict()[name], loop.method.served().state_dict()[name])


def test_the_saved_model_is_what_the_last_evaluation_measured(tmp_path: Path) -> None:
    """Names of classes in the set's own order, which is not the alphabet's, and the averaged weights."""
    run = train(config(), tmp_path)
    images = load_images(config())
    assert sorted(images.class_names) != list(images.class_names)
    predictor = Predictor(run.folder)
    assert predictor.class_names == list(images.class_names)
    test = np.flatnonzero(images.is_test)
    answers = [max(predictor.top(each), key=lambda top: top["probability"]) for each in _predictions(predictor, test)]
    right = [answer["class"] == images.class_names[images.labels[i]] for answer, i in zip(answers, test, strict=True)]
    assert np.mean(right) == pytest.approx(run.status.metrics["test/accuracy"])


class TooSure(nn.Module):
    """Answers with the rows that tell the class, mixed with others that do not, and is much too sure of it."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = images[:, 0, :6, 0]
        return pixels, 30 * (pixels[:, :3] + 2 * pixels[:, 3:])


def test_the_cutoffs_of_prediction_sets_are_of_the_calibrated_probabilities_that_answers_have() -> None:
    run, _, measured = assembled(config("supervised", {"data.per_class": 100, "data.validation": 0.4}))
    measured.evaluate(TooSure(), final=True)
    temperature, found = measured.temperature, measured.conformal
    assert temperature is not None
    assert found is not None
    held_out = np.isin(run.images.ids, run.split.validation)
    pixels = run.images.images[held_out, 0, :6, 0] / 255
    logits = 30 * (pixels[:, :3] + 2 * pixels[:, 3:]) / temperature
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    labels = run.images.labels[held_out]
    of_truth = np.sort(shares[np.arange(len(labels)), labels])[::-1]
    assert temperature > 1.5  # else both would have one cutoff
    assert found.labels == len(labels)
    expected = {coverage: of_truth[int(np.ceil((len(labels) + 1) * coverage)) - 1] for coverage in (0.8, 0.9, 0.95)}
    assert {coverage: found.cutoffs[coverage] for coverage in expected} == pytest.approx(expected, abs=1e-5)


def test_the_nearest_labeled_image_is_looked_for_in_the_features_of_the_models_own_weights(tmp_path: Path) -> None:
    """A resumed run evaluates on, and its next model is written at its end."""
    run = train(config(), tmp_path)
    before = Predictor(run.folder).labeled
    arrays = run.folder.snapshot(STEPS)
    run.folder.write_snapshot(STEPS + 5, {**arrays, "embeddings": -arrays["embeddings"]})
    after = Predictor(run.folder).labeled
    assert before is not None
    assert after is not None
    assert (after.features == before.features).all()
    assert after.usual == before.usual


def _predictions(predictor: Predictor, rows: np.ndarray) -> list[Any]:
    from engine.predictor import Prediction

    pixels = load_images(config()).images[rows]
    probabilities = predictor.probabilities(pixels)
    return [Prediction(p, image, False) for p, image in zip(probabilities, pixels, strict=True)]


@pytest.mark.parametrize("ratio", [1, 3])
def test_a_step_sees_as_many_unlabeled_images_as_the_ratio_says(ratio: int) -> None:
    _, loop, _ = assembled(config(changes={"method.unlabeled_ratio": ratio}))
    batch = loop.batch(StepContext(0, 0, STEPS))
    assert len(batch["labeled"].weak) == 4
    assert len(batch["unlabeled"].weak) == len(batch["unlabeled"].strong) == 4 * ratio
    assert loop.images_per_step == 4 + 2 * 4 * ratio


def test_the_views_of_two_streams_are_drawn_apart() -> None:
    """The same image stands in both, and its two weak views are not one."""
    plain = config(changes={"budget.batch_size": 6, "method.unlabeled_ratio": 6, "augment.weak.rotate": 40.0})
    run, _, _ = assembled(plain)
    assert isinstance(run.method, GradientMethod)
    batch = Batches(run.method, plain, run.images, run.split, resolve(plain.hardware)).batch(StepContext(0, 0, STEPS))
    labeled, unlabeled = batch["labeled"], batch["unlabeled"]
    places = {sample: j for j, sample in enumerate(unlabeled.ids.tolist())}
    both = [(i, places[sample]) for i, sample in enumerate(labeled.ids.tolist()) if sample in places]
    assert len(both) >= 4
    assert not any(torch.equal(labeled.weak[i], unlabeled.weak[j]) for i, j in both)


def test_the_final_accuracy_counts_every_test_image_and_not_those_that_the_snapshot_keeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluator, "SAMPLE", 2)
    monkeypatch.setattr(evaluator, "FINAL_SAMPLE", 4)
    run, loop, measured = assembled(config())
    metrics, arrays = measured.evaluate(loop.served(), final=True)
    assert (arrays["part"] == 3).sum() == 4
    images = run.images
    with torch.inference_mode():
        _, logits = loop.served()(torch.as_tensor(images.images[images.is_test]).float() / 255)
    right = logits.argmax(1).numpy() == images.labels[images.is_test]
    assert len(right) > 4
    assert metrics["test/accuracy"] == pytest.approx(right.mean())


def test_a_live_change_is_in_force_from_the_very_step_that_it_is_noted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[float] = []
    original = GradientLoop.run_step

    def watched(self: GradientLoop, now: StepContext, plain: RunConfig) -> StepResult:
        used.append(self.method.params.threshold)
        return original(self, now, plain)

    class AtStepFive(Control):
        asked = 0

        def poll(self) -> Command | None:
            waiting = super().poll()
            if waiting is None and self.asked == 5:
                self.asked += 1
                return Command("set", "method.threshold", 0.25)
            self.asked += waiting is None
            return waiting

    monkeypatch.setattr(GradientLoop, "run_step", watched)
    folder = Store(tmp_path).create(config().model_dump(mode="json"))
    Trainer(folder, AtStepFive()).run()
    (change,) = folder.changes()
    assert used == [0.95] * change.step + [0.25] * (STEPS - change.step)
    assert change.step == 5


def result(labels: list[int], weight: list[float], ids: list[int]) -> StepResult:
    count = len(ids)
    pseudo_labels = PseudoLabels(
        torch.tensor(ids), torch.tensor(labels), torch.full((count,), 0.9), torch.tensor(weight)
    )
    return StepResult(torch.tensor(0.0), {"mask_rate": torch.tensor(weight).mean()}, pseudo_labels)


def test_the_accuracy_of_pseudo_labels_is_that_of_those_that_are_used() -> None:
    images = load_images(config())
    rows = np.array([4, 0, 7])
    truth = images.labels[rows].tolist()
    running = RunningMetrics(images, "cpu")
    # Used and right, used and wrong, unused and right: one of two; the fourth's class is nobody's guess.
    running.add(result([truth[0], (truth[1] + 1) % 3, truth[2]], [1.0, 1.0, 0.0], images.ids[rows].tolist()))
    assert running.read()["pseudo_label/accuracy"] == pytest.approx(0.5)
    running.add(result([truth[0], truth[1], (truth[2] + 1) % 3], [0.5, 0.0, 1.0], images.ids[rows].tolist()))
    assert running.read()["pseudo_label/accuracy"] == pytest.approx(0.5 / 1.5)
    running.add(result(truth, [0.0, 0.0, 0.0], images.ids[rows].tolist()))
    assert "pseudo_label/accuracy" not in running.read()


def test_a_scalar_that_some_steps_leave_out_is_the_mean_of_those_that_have_it() -> None:
    running = RunningMetrics(load_images(config()), "cpu")
    for scalars in ({"loss/labeled": 1.0}, {"loss/labeled": 3.0, "embedding/rank": 7.0}):
        tensors: dict[str, Tensor] = {name: torch.tensor(value) for name, value in scalars.items()}
        running.add(StepResult(torch.tensor(0.0), tensors))
    assert running.read() == {"loss/labeled": 2.0, "embedding/rank": 7.0}
    assert running.read() == {}


def interrupted_at(store: Store, step: int) -> Run:
    class Interrupting(Control):
        asked = -1

        def poll(self) -> Command | None:
            self.asked += 1
            return Command("interrupt") if self.asked == step else None

    folder = store.create(config().model_dump(mode="json"))
    Trainer(folder, Interrupting()).run()
    return store.run(folder.id)


def test_the_seconds_of_a_resumed_run_go_on_from_those_before(tmp_path: Path) -> None:
    cut = interrupted_at(Store(tmp_path), 6)
    # Not those of the status, which count the writing of this very checkpoint.
    saved = torch.load(cut.folder.checkpoint_file, weights_only=True)["seconds"]
    assert saved > 0
    # As if the steps so far had taken a minute: on a quick machine both lives are over in a moment.
    generations = (cut.folder.checkpoint_file, cut.folder.previous_checkpoint_file)
    for file in (file for file in generations if file.exists()):
        state = torch.load(file, weights_only=True)
        torch.save({**state, "seconds": saved + 60}, file)
    saved += 60
    resumed = resume(cut.id, tmp_path)
    seconds = [row["seconds"] for row in resumed.folder.metrics() if "seconds" in row]
    assert seconds == sorted(seconds)
    assert seconds[-1] > saved
    assert resumed.status.seconds >= seconds[-1]


def test_a_pause_is_no_training_time(tmp_path: Path) -> None:
    recorder = Recorder(Store(tmp_path).create(config().model_dump(mode="json")))
    recorder.begin(STEPS, 4)
    recorder.tick()
    trained = recorder.seconds
    recorder.tell("paused")
    time.sleep(0.1)
    assert recorder.tell("paused").seconds == trained  # as it is told every second
    recorder.restart_clock()
    assert trained <= recorder.tell("running").seconds < trained + 0.1


def test_a_checkpoint_is_on_the_disk_before_it_takes_the_place_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written beside, flushed, then renamed: a power cut leaves the old file or the new one."""
    folder = RunFolder(tmp_path)
    folder.write_checkpoint(b"first")
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(handle: int) -> None:
        order.append("fsync")
        assert not folder.checkpoint_file.exists() or folder.checkpoint_file.read_bytes() == (
            b"second" if "to checkpoint.pt" in order else b"first"
        )
        fsync(handle)

    def renamed(source: str | Path, target: str | Path) -> None:
        order.append(f"to {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    folder.write_checkpoint(b"second")
    assert folder.checkpoint_file.read_bytes() == b"second"
    assert folder.previous_checkpoint_file.read_bytes() == b"first"
    assert order.index("fsync") < order.index("to checkpoint.pt")
    assert "to checkpoint.previous.pt" in order


def test_a_checkpoint_that_cannot_be_put_in_place_leaves_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path)
    folder.write_checkpoint(b"first")

    def refused(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(OSError, match="No space left"):
        folder.write_checkpoint(b"second")
    kept = [path for path in (folder.checkpoint_file, folder.previous_checkpoint_file) if path.exists()]
    assert [path.read_bytes() for path in kept] == [b"first"]
