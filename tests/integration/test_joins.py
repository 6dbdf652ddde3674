"""More of what joins the parts of a run, each with the smallest thing that goes wrong if it is joined otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from engine import RunConfig, resume, train
from engine.backbones.conv_encoder import ConvEncoder
from engine.data.split import make_split
from engine.errors import ConfigError, FewLabError
from engine.lab.projections.projection_inputs import Sample, load_inputs
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import GradientMethod, StepResult
from engine.methods.parts.feature_queue import FeatureQueue
from engine.methods.semi_supervised.self_training import SelfTraining
from engine.registry import backbones
from engine.runs.folder import RunFolder
from engine.runs.store import Store
from engine.training import running_metrics
from engine.training.assemble import assemble, load_images
from engine.training.evaluation.evaluator import Evaluator
from engine.training.hardware import resolve
from engine.training.loops.gradient_loop import GradientLoop
from engine.training.model_file import load_model
from engine.training.running_metrics import RunningMetrics
from engine.training.trainer import Trainer
from tests.fixtures_images import folder_of, grey, source

pytestmark = pytest.mark.usefixtures("toy")

STEPS = 12


def config(
    method: str = "fixmatch", changes: dict[str, Any] | None = None, labels: dict[str, Any] | None = None
) -> RunConfig:
    plain = {
        "method": {"name": method},
        "data": {"name": "toy", "labels": labels or {"kind": "few", "per_class": 2}},
        "budget": {"steps": STEPS, "batch_size": 4, "evaluate_every": 5},
        "hardware": {"device": "cpu", "precision": "float32", "threads": 1},
    }
    return RunConfig.parse(plain).with_changes(changes or {})


def loop_of(plain: RunConfig) -> GradientLoop:
    run, machine = assemble(plain, Path("nowhere")), resolve(plain.hardware)
    assert isinstance(run.method, GradientMethod)
    measured = Evaluator(run.images, run.split, machine)
    return GradientLoop(machine.place(run.method), plain, run.images, run.split, machine, measured)


# settings


def test_the_tuned_views_of_a_set_beat_what_its_images_are_like() -> None:
    """Digits are bright on black, for which solarizing alone is left out; they were tuned without any color."""
    strong: Any = RunConfig.parse({"method": "fixmatch", "data": "digits"}).augment["strong"]
    assert {"solarize", "brightness", "contrast", "sharpness", "identity"} <= set(strong.without)
    assert strong.cutout == 0.25


def test_an_average_that_would_do_nothing_is_refused_and_not_switched_off_in_silence() -> None:
    assert config("mean_teacher").optimizer.ema_decay == 0
    with pytest.raises(ConfigError, match=r"^optimizer.ema_decay would do nothing: mean_teacher serves an average"):
        RunConfig.parse({"method": "mean_teacher", "data": "toy", "optimizer": {"name": "sgd", "ema_decay": 0.9}})


# the split and the order of images


def test_a_candidate_set_stands_at_the_row_of_its_image_also_where_ids_are_in_no_order() -> None:
    plain = config("proden", labels={"kind": "partial", "rate": 0.2})
    images = load_images(plain)
    split = make_split(images, plain.data)
    assert split.candidates is not None
    truth = dict(zip(images.ids.tolist(), images.labels.tolist(), strict=True))
    assert all(split.candidates[row, truth[sample]] for row, sample in enumerate(split.pool.tolist()))
    assert split.pool.tolist() != sorted(split.pool.tolist())


def test_a_stream_of_hidden_labels_alone_has_no_labeled_image() -> None:
    plain = config()
    split = make_split(load_images(plain), plain.data)
    pools = split.pools()
    assert set(pools["unlabeled_only"]) == set(split.pool) - set(split.labeled)
    assert set(pools["unlabeled"]) == set(pools["all"]) == set(split.pool)


def test_an_epoch_is_a_pass_over_the_unlabeled_images_and_not_over_the_few_labels() -> None:
    loop = loop_of(config(changes={"method.unlabeled_ratio": 2, "budget.batch_size": 2}))
    pool = len(make_split(load_images(config()), config().data).pool)
    assert pool == 33  # 3 classes of 12, of which each holds one back for validation
    assert loop.steps_per_epoch == pool // 4
    supervised = loop_of(config("supervised", {"budget.batch_size": 2}))
    assert supervised.steps_per_epoch == 6 // 2


# what a snapshot holds


def test_of_many_pseudo_labels_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_metrics, "KEPT", 5)
    images = load_images(config())
    running = RunningMetrics(images, "cpu")
    ids = images.ids[:12]
    for rows in (slice(0, 4), slice(4, 8), slice(8, 12)):
        given = PseudoLabels(torch.as_tensor(ids[rows]), torch.zeros(4, dtype=torch.int64), *torch.ones(2, 4))
        running.add(StepResult(torch.tensor(0.0), {}, given))
    assert running.pseudo_labels()["pseudo_ids"].tolist() == ids[7:].tolist()


def test_candidate_weights_are_stored_under_the_ids_of_their_images(tmp_path: Path) -> None:
    plain = config("proden", labels={"kind": "partial", "rate": 0.4})
    last, split = train(plain, tmp_path).folder.snapshot(STEPS), make_split(load_images(plain), plain.data)
    assert split.candidates is not None
    sets = dict(zip(split.pool.tolist(), split.candidates.tolist(), strict=True))
    assert [sets[sample] for sample in last["candidate_ids"].tolist()] == last["candidate_sets"].tolist()


def test_views_are_stored_under_the_ids_of_their_images(tmp_path: Path) -> None:
    """With views that change nothing, the image of each id is what stands there."""
    still = {"augment.weak": {"name": "weak", "translate": 0.0, "flip": "off"}}
    run = train(config(changes=still), tmp_path)
    images, last = load_images(config()), run.folder.snapshot(STEPS)
    positions = {sample: row for row, sample in enumerate(images.ids.tolist())}
    rows = [positions[sample] for sample in last["view_ids"].tolist()]
    assert np.abs(last["view_weak"].astype(int) - images.images[rows]).max() <= 1


# what is projected


def test_parts_and_features_are_found_by_id_where_snapshots_have_other_orders(tmp_path: Path) -> None:
    folder = Store(tmp_path).create(config().model_dump(mode="json"))
    ids, part = np.array([40, 7, 90, 13]), np.array([0, 1, 2, 3], np.uint8)
    features = np.arange(8, dtype=np.float16).reshape(4, 2)
    more = np.array([5, 40, 13, 90, 7])  # the last one keeps more images
    rows = np.array([0, 3, 2, 1])
    folder.write_snapshot(10, {"ids": ids, "part": part, "embeddings": features})
    folder.write_snapshot(
        20,
        {
            "ids": more,
            "part": np.concatenate([[np.uint8(3)], part[rows]]).astype(np.uint8),
            "embeddings": np.concatenate([[[99, 99]], features[rows] + 100]).astype(np.float16),
        },
    )
    inputs = load_inputs(folder.path, "embeddings", [20, 10], Sample())
    order = np.argsort(ids)
    assert inputs.ids.tolist() == ids[order].tolist()
    assert inputs.part.tolist() == part[order].tolist()
    first, second = inputs.features()
    assert first.tolist() == features[order].tolist()
    assert second.tolist() == (features[order] + 100).tolist()
    assert load_inputs(folder.path, "embeddings", [20, 10], Sample(parts=("labeled",))).ids.tolist() == [40]


# images that are read


def test_a_file_that_is_no_image_moves_no_label_and_no_test_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    kinds = ["train/2/", "train/10/", "test/2/", "test/10/", "unlabeled/"]
    brightness = {
        f"{kind}{number}.png": 20 + 12 * (4 * k + number) for k, kind in enumerate(kinds) for number in range(4)
    }
    files = {name: grey(value) for name, value in brightness.items()}
    for name in ("test/10/1.png", "train/10/0.png", "train/2/2.png"):
        files[name] = b"no image at all, but as long as one"
        del brightness[name]
    images = source(folder_of(tmp_path / "set", files))
    images.prepare()
    loaded = images.load()
    assert loaded.class_names == ("2", "10")
    read = {
        int(pixels[0, 0, 0]): ("" if label < 0 else loaded.class_names[label], bool(test))
        for pixels, label, test in zip(loaded.images, loaded.labels, loaded.is_test, strict=True)
    }
    assert read == {
        value: ("" if name.startswith("unlabeled") else name.split("/")[1], name.startswith("test"))
        for name, value in brightness.items()
    }


# rounds, averages, precision


def test_the_average_of_a_new_round_begins_as_short_as_the_first(tmp_path: Path) -> None:
    """One update after the fresh start takes in nine tenths of the weights, whichever round it is."""
    plain = config("self_training", {"method.rounds": 2, "optimizer.ema_decay": 0.99, "optimizer.lr": 0.3})
    loop, name = loop_of(plain), "head.weight"
    for step in range(STEPS // 2):
        loop.run_step(StepContext(0, step, STEPS), plain)
    assert isinstance(loop.method, SelfTraining)
    fresh = loop.method.untrained.state_dict()[name].clone()
    loop.run_step(StepContext(0, STEPS // 2, STEPS), plain)
    now, average = loop.method.served().state_dict()[name], loop.served().state_dict()[name]
    assert not torch.allclose(now, fresh)
    torch.testing.assert_close(average, 0.1 * fresh + 0.9 * now)


@pytest.mark.parametrize("name", ["small_cnn", "conv_encoder"])
def test_a_network_that_computes_in_half_precision_hands_out_float32(name: str) -> None:
    for precision in ("float32", "bfloat16"):
        machine = resolve(config(changes={"hardware.precision": precision}).hardware)
        torch.manual_seed(0)
        network = machine.place(backbones[name](backbones[name].Params(), 1, 8)).eval()
        with torch.no_grad():
            features = network(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1)))
        assert features.dtype == torch.float32
        rounded = torch.equal(features, features.bfloat16().float())
        assert rounded == (precision == "bfloat16")


# checkpoints, and what a run begins with


def test_the_place_in_a_queue_is_part_of_its_state() -> None:
    queue, other = FeatureQueue(3, 2), FeatureQueue(3, 2)
    queue.push(torch.eye(2))
    other.load_state_dict(queue.state_dict())
    for one in (queue, other):
        one.push(torch.full((1, 2), 7.0))
    assert torch.equal(queue.rows, other.rows)
    assert queue.rows.tolist() == [[1, 0], [0, 1], [7, 7]]


def test_what_had_converged_when_it_was_cut_off_takes_no_further_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = RunConfig.parse(
        {"method": "linear_probe", "backbone": "pixels", "data": "toy", "budget": {"steps": 5, "evaluate_every": 5}}
    )

    def no_room(_: Trainer) -> dict[str, float]:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Trainer, "_measure_and_keep", no_room)
        with pytest.raises(FewLabError, match="No space left on device"):
            train(plain, tmp_path)
    (cut,) = Store(tmp_path).runs()
    assert (cut.status.state, cut.status.step) == ("interrupted", 1)
    run = resume(cut.id, tmp_path)
    assert (run.status.state, run.status.step, run.status.reason) == ("finished", 1, "")


def started(folder: RunFolder) -> dict[str, Any]:
    return next(event for event in folder.events() if event["event"] == "start")


def test_the_fingerprint_tells_runs_apart_that_began_with_other_weights(tmp_path: Path) -> None:
    """Where the weights lie is no part of it, so their content must be."""
    prints = []
    for number, seed in enumerate((0, 1, 1)):
        torch.manual_seed(seed)
        file = tmp_path / f"{number}.safetensors"
        save_file(ConvEncoder(ConvEncoder.Params(), 1, 8).state_dict(), file)
        changes = {"backbone": {"name": "conv_encoder", "init": f"file:{file}"}, "budget.steps": 1}
        prints.append(started(train(config("supervised", changes), tmp_path / "runs").folder)["fingerprint"])
    assert prints[0] != prints[1] == prints[2]


def test_a_model_says_how_many_images_each_pool_had(tmp_path: Path) -> None:
    run = train(config(), tmp_path)
    assert run.folder.model_about()["problem"]["counts"] == {
        "labeled": 6,
        "unlabeled": 33,
        "unlabeled_only": 27,
        "all": 33,
    }
    # A method with a row for each image is built anew from it.
    tabled = train(config("self_training", {"method.rounds": 2}), tmp_path)
    assert isinstance(load_model(tabled.folder)[0], torch.nn.Module)
    assert TaskSpec(**tabled.folder.model_about()["problem"], batch_size=4).counts["unlabeled"] == 33
