"""The engine from Python: five names, and a start that does not wait for torch."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.datasets import load_digits

import engine
from engine.config.run_config import RunConfig as Config
from engine.errors import ConfigError, ImportCancelled, RunError, UnknownName
from engine.images.decode import read_image
from engine.runs.folder import Status
from engine.runs.store import Run, Store
from tests.fixtures_images import CATS_AND_DOGS, encoded, folder_of
from tests.integration.process_helpers import ROOT

TINY = {
    "method": "supervised",
    "budget": {"steps": 20, "batch_size": 8, "evaluate_every": 10},
    "hardware": {"device": "cpu", "threads": 1},
}


def test_the_public_names() -> None:
    from engine import Predictor, RunConfig, load_run, resume, train

    assert sorted(engine.__all__) == ["Predictor", "RunConfig", "load_run", "resume", "train"]
    assert RunConfig is Config
    assert all(callable(part) for part in (Predictor, load_run, resume, train))
    with pytest.raises(AttributeError, match="module 'engine' has no attribute 'fit'"):
        engine.fit  # noqa: B018  looking is the test


def test_train_load_and_predict(tmp_path: Path) -> None:
    from engine import Predictor, RunConfig, load_run, train

    seen: list[Status] = []
    run = train(RunConfig.parse(TINY), tmp_path, progress=seen.append)
    assert run.status.state == "finished"
    assert seen[-1] == run.status
    assert [status.step for status in seen] == sorted(status.step for status in seen)
    assert next(status.step for status in seen if status.step) == 1  # told at once: a page waits for it
    again = load_run(run.id, tmp_path)
    assert (again.config, again.status) == (run.config, run.status)
    assert again.folder.metrics()[-1]["step"] == 20

    predictor = Predictor(again.folder)
    assert predictor.class_names == list("0123456789")
    assert (predictor.channels, predictor.size) == (1, 8)
    # The temperature of the validation images, by trying one after the other.
    arrays = again.folder.snapshot(20)
    held = arrays["part"] == 2
    logits, truth = (
        np.log(np.maximum(arrays["probabilities"][held].astype(float), 1e-7)),
        load_digits().target[arrays["ids"][held]],
    )
    tried = np.geomspace(0.05, 20, 600)
    losses = [-log_softmax(logits / temperature, axis=1)[np.arange(len(truth)), truth].mean() for temperature in tried]
    assert predictor.temperature == pytest.approx(tried[int(np.argmin(losses))], rel=0.03)
    images = [np.full((40, 30, 3), 255, np.uint8), np.zeros((8, 8, 1), np.uint8)]
    answers = predictor.predict(images)
    assert [answer.probabilities.sum() for answer in answers] == pytest.approx([1, 1], abs=1e-6)
    assert answers[0].inverted  # digits are white on black, a white page is not
    assert not answers[1].inverted
    assert predictor.top(answers[0], 3)[0]["probability"] == pytest.approx(answers[0].probabilities.max())
    for image, answer in zip(images, answers, strict=True):
        assert predictor.predict([image])[0].probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert predictor.predict([]) == []


def test_a_run_that_has_ended_holds_no_memory(tmp_path: Path) -> None:
    from engine import train
    from engine.data.image_set import ImageSet
    from engine.training.trainer import Trainer

    def alive() -> list[object]:
        return [one for one in gc.get_objects() if type(one) in (Trainer, ImageSet)]

    others = {id(one) for one in alive()}  # of the tests before
    gc.disable()  # whose turn would come after some twenty runs
    try:
        train(TINY, tmp_path)
        assert [one for one in alive() if id(one) not in others] == []
    finally:
        gc.enable()


def test_a_plain_dictionary_will_do(tmp_path: Path) -> None:
    run = engine.train(TINY, tmp_path)
    assert run.config == Config.parse(TINY).model_dump(mode="json")


def test_the_saved_model_answers_as_the_final_evaluation_did(trained: Callable[..., Run]) -> None:
    run = trained(method={"name": "supervised"})
    from engine.registry import datasets

    images = datasets["digits"](datasets["digits"].Params()).load()
    probabilities = engine.Predictor(run.folder).probabilities(images.images[images.is_test])
    accuracy = (probabilities.argmax(1) == images.labels[images.is_test]).mean()
    assert accuracy == pytest.approx(run.status.metrics["test/accuracy"], abs=1e-9)


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_a_new_photo_is_fitted_as_the_photos_were_that_the_run_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fit: str
) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(0)
    photos = folder_of(
        tmp_path / "photos",
        {
            f"{kind}/{i}.png": encoded(random.integers(0, 256, (20, 36, 3)))
            for kind in ("cat", "dog")
            for i in range(10)
        },
    )
    data = {"name": "folder", "path": str(photos), "size": 12, "fit": fit, "validation": 0.0}
    run = engine.train({**TINY, "data": data, "budget": {"steps": 2, "batch_size": 4}}, tmp_path / "checkpoints")
    from engine.training.assemble import load_images

    imported = load_images(Config.parse(run.config))
    seen = engine.Predictor(run.folder).predict([read_image((photos / "cat" / "0.png").read_bytes(), "0.png")])[0].seen
    np.testing.assert_array_equal(seen, imported.images[0])


def test_an_import_can_be_ended_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    from engine.training.assemble import prepare
    from engine.training.commands import Command, Control

    config = Config.parse(
        {"data": {"name": "folder", "path": str(folder_of(tmp_path / "photos", CATS_AND_DOGS)), "size": 8}}
    )
    control, told = Control(), []
    control.send(Command("interrupt"))
    with pytest.raises(ImportCancelled, match="nothing of it was kept"):
        prepare(config, cancelled=lambda: control.ends)
    report = prepare(config, lambda done, total: told.append((done, total)))
    assert report is not None
    assert report.read == 20
    assert told[0] == (0, 20)
    assert prepare(config) is None  # it is there


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            {"data": {"labels": {"kind": "few", "per_class": 500}}},
            "500 labels per class are asked for, but class '0' has 128 training images: ask for at most 125, or switch"
            " data.labels.at_most on.",
        ),
        ({"optimizer": {"lr": -1}}, "optimizer.lr is -1 but must be above 0.0."),
    ],
)
def test_a_wrong_request_leaves_no_run(tmp_path: Path, config: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        engine.train(config, tmp_path)
    assert str(refused.value) == sentence
    assert Store(tmp_path).runs() == []


def test_a_finished_run_cannot_be_resumed_and_an_unknown_one_not_loaded(trained: Callable[..., Run]) -> None:
    run = trained(method={"name": "supervised"})
    root = run.folder.path.parent
    with pytest.raises(RunError) as refused:
        engine.resume(run.id, root)
    assert str(refused.value) == f"Run {run.id} cannot be resumed because it is finished."
    with pytest.raises(UnknownName, match=r"^There is no run named 'yesterday'"):
        engine.load_run("yesterday", root)


@pytest.mark.parametrize(
    "module",
    [
        "engine",
        "engine.lab.lab",
        "engine.runs.store",
        "engine.analysis.metrics",
        "engine.config.run_config",
        "engine.images.decode",
    ],
)
def test_what_the_server_needs_imports_no_torch(module: str) -> None:
    script = (
        f"import sys, {module}; print(sorted(name for name in sys.modules if name.split('.')[0] in ('torch',"
        " 'torchvision', 'streamlit', 'plotly')))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_what_lists_the_methods_imports_no_scikit_learn() -> None:
    """Every process of the lab and every command starts with it, and would wait a second longer."""
    script = "import sys; from engine.catalog import catalog; catalog(); print('sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
