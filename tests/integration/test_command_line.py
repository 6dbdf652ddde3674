"""The command line as scripts see it: exit codes, JSON keys frozen as data, one sentence instead of a traceback."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.methods.base.method import Method
from engine.presets import PRESETS
from engine.registry import backbones, datasets, methods
from engine.runs.store import Store
from tests.fixtures_images import CATS_AND_DOGS, folder_of
from tests.integration.command_line import SHORT, answer, engine, engine_process, refusal, train_shortly
from tests.integration.process_helpers import child
from tests.waiting import until

# Promised to scripts. A change here is a broken promise: it needs a line in the change log.
SUMMARY = ["run", "state", "step", "seconds", "images_per_second", "metrics"]
METRICS = [
    "test/accuracy",
    "test/auc_roc",
    "test/ece",
    "test/macro_f1",
    "validation/accuracy",
    "validation/auc_roc",
    "validation/ece",
    "validation/macro_f1",
]
SHOW = [*SUMMARY, "reason", "config", "evaluations"]
CONFIG = ["version", "name", "seed", "data", "backbone", "augment", "method", "optimizer", "budget", "hardware"]
TEST = ["run", "metrics"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("command line") / "checkpoints"


@pytest.fixture(scope="module")
def trained(root: Path) -> dict[str, Any]:
    done = train_shortly(root)
    assert len(done.stdout.splitlines()) == 1
    summary: dict[str, Any] = answer(done)
    return summary


def test_train_answers_with_the_promised_object(trained: dict[str, Any]) -> None:
    assert list(trained) == SUMMARY
    assert (trained["state"], trained["step"]) == ("finished", 30)
    assert sorted(trained["metrics"]) == METRICS
    assert all(0 <= value <= 1 for value in trained["metrics"].values())
    assert trained["seconds"] > 0
    assert trained["images_per_second"] > 0


def test_show_has_everything_that_was_asked_for(trained: dict[str, Any], root: Path) -> None:
    shown = answer(engine("show", trained["run"], "--checkpoints", root, "--json"))
    assert list(shown) == SHOW
    assert {key: shown[key] for key in SUMMARY} == trained
    assert sorted(shown["config"]) == sorted(CONFIG)
    assert (shown["config"]["seed"], shown["config"]["data"]["split_seed"], shown["config"]["method"]["threshold"]) == (
        3,
        3,
        0.9,
    )
    assert shown["evaluations"] == [10, 20, 30]


def test_show_for_people_has_the_same_numbers(trained: dict[str, Any], root: Path) -> None:
    lines = engine("show", trained["run"], "--checkpoints", root).stdout.splitlines()
    assert f"run: {trained['run']}" in lines
    assert f"  test/accuracy: {trained['metrics']['test/accuracy']:.4f}" in lines


def test_the_saved_model_measures_the_same_again(trained: dict[str, Any], root: Path) -> None:
    tested = answer(engine("test", trained["run"], "--checkpoints", root, "--json"))
    assert list(tested) == TEST
    assert tested["run"] == trained["run"]
    assert tested["metrics"] == pytest.approx(trained["metrics"], abs=1e-6)


def test_a_process_of_its_own_prints_the_same_and_ends_with_the_same_status(
    trained: dict[str, Any], root: Path
) -> None:
    for run, code in ((trained["run"], 0), ("nothing", 2)):
        request = ("show", run, "--checkpoints", root, "--json")
        assert engine_process(*request, code=code) == engine(*request, code=code)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there is no SIGINT for one process on Windows")
def test_ctrl_c_leaves_a_run_that_resume_brings_to_its_end(root: Path) -> None:
    longer = ("--set", "budget.steps=300", "--set", "budget.evaluate_every=300", "--set", "method.name=supervised")
    arguments = [sys.executable, "-m", "engine", "train", *SHORT, *longer, "--checkpoints", str(root), "--json"]
    before = {run.id for run in Store(root).runs()}
    with child(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(
            lambda: (
                any(run.folder.metrics() for run in Store(root).runs() if run.id not in before)
                or process.poll() is not None
            ),
            "the first step",
        )
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Traceback" not in stderr
    summary = json.loads(stdout)
    assert list(summary) == SUMMARY
    assert summary["state"] == "interrupted"
    assert 0 < summary["step"] < 300
    assert answer(engine("resume", summary["run"], "--checkpoints", root, "--json")) | {
        "seconds": 0,
        "images_per_second": 0,
        "metrics": {},
    } == {
        "run": summary["run"],
        "state": "finished",
        "step": 300,
        "seconds": 0,
        "images_per_second": 0,
        "metrics": {},
    }


def test_a_run_that_fails_says_why_and_ends_with_1(root: Path) -> None:
    settings = (
        "backbone.name=simple_cnn",
        "optimizer.lr=10",
        "optimizer.weight_decay=1",
        "optimizer.momentum=0.99",
        "optimizer.warmup_steps=0",
    )
    wild = [part for setting in settings for part in ("--set", setting)]
    done = engine(
        "train",
        *SHORT,
        *wild,
        "--set",
        "budget.steps=200",
        "--set",
        "method.name=supervised",
        "--checkpoints",
        root,
        "--json",
        code=1,
    )
    run = Store(root).runs()[0]
    assert run.status.state == "failed"
    assert done.stderr.splitlines()[-1] == run.status.reason
    assert run.status.reason.startswith("The loss is not a finite number at step ")
    assert run.status.reason.endswith(": lower the learning rate or the loss weights and start again.")
    assert done.stdout == ""


def test_the_tables_list_everything_for_people_and_for_machines() -> None:
    known: dict[str, Iterable[str]] = {
        "methods": methods,
        "datasets": datasets,
        "backbones": backbones,
        "presets": PRESETS,
    }
    people = {table: engine(table).stdout for table in ("methods", "presets")}
    machines = {table: answer(engine(table, "--json")) for table in known}
    for table, names in known.items():
        if table in people:
            assert [line.split()[0] for line in people[table].splitlines()] == list(names)
        assert list(machines[table]) == list(names)
        for entry in machines[table].values():
            assert {"title", "summary"} <= set(entry)
    fixmatch: type[Method] = methods["fixmatch"]
    assert f"{fixmatch.title}: {fixmatch.summary}" in people["methods"]
    assert machines["methods"]["fixmatch"]["schema"]["properties"]["threshold"]["symbol"] == "τ"
    assert machines["presets"]["digits-fixmatch"]["config"]["data"]["labels"] == {"kind": "few", "per_class": 2}


def test_every_wrong_request_ends_with_2_and_one_sentence(trained: dict[str, Any], root: Path, tmp_path: Path) -> None:
    no_json, a_list, deep = tmp_path / "broken.json", tmp_path / "list.json", tmp_path / "deep.json"
    no_json.write_text('{"seed": ')
    a_list.write_text("[]")
    deep.write_text('{"a":' * 100_000)
    here = ("--checkpoints", root)
    run = trained["run"]
    cases: list[tuple[tuple[str | Path, ...], str]] = [
        (
            ("train", "--preset", "digits-fixmach"),
            "There is no preset named 'digits-fixmach': did you mean 'digits-fixmatch'?",
        ),
        (
            ("train", "--preset", "digits-fixmatch", "--config", no_json),
            "Give a preset or a config file, not both: put the preset's changes into --set.",
        ),
        (("train", "--config", no_json), f"{no_json} is not JSON: Expecting value: line 1 column 10 (char 9)."),
        (
            ("train", "--config", deep),
            f"{deep} is not JSON: maximum recursion depth exceeded while decoding a JSON object from a unicode string.",
        ),
        (
            ("train", "--config", a_list),
            f"{a_list} must hold one JSON object, as `python -m engine presets --json` shows them.",
        ),
        (
            ("train", "--config", tmp_path / "none.json"),
            f"{tmp_path / 'none.json'} cannot be read: No such file or directory.",
        ),
        (("train", "--set", "threshold"), "--set needs key=value, such as method.threshold=0.9, but got 'threshold'."),
        (
            ("train", "--set", "method.threshold=high"),
            "method.threshold is 'high': input should be a valid number, unable to parse string as a number.",
        ),
        (("train", "--set", "method.threshold=NaN"), "method.threshold is 'nan': input should be a finite number."),
        (
            ("train", "--set", "data.labels.per_class=126"),
            "126 labels per class are asked for, but class '8' has 125 training images: ask for at most 125, or switch"
            " data.labels.at_most on.",
        ),
        (("train", "--seed", "-1"), "seed is -1 but must be at least 0."),
        (("resume", run), f"Run {run} cannot be resumed because it is finished."),
        (("resume", "../x"), f"There is no run named '../x': choose one of {run}."),
        (("show", run[:-1]), f"There is no run named '{run[:-1]}': did you mean '{run}'?"),
        (("test", "nothing"), f"There is no run named 'nothing': choose one of {run}."),
        (("predict", "nothing", no_json), f"There is no run named 'nothing': choose one of {run}."),
    ]
    runs = [run.id for run in Store(root).runs()]
    for arguments, expected in cases:
        sentence = refusal(*arguments, *here)
        if "choose one of" in expected:  # other tests' runs are here too
            assert sentence.startswith(expected.partition(" choose")[0]), arguments
            assert run in sentence
        else:
            assert sentence == expected, arguments
    assert [run.id for run in Store(root).runs()] == runs


def test_an_import_tells_what_was_read_and_what_was_left_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    photos = folder_of(tmp_path / "photos", CATS_AND_DOGS | {"cat/broken.png": b"no image"})
    ours = (
        "--set",
        "data.name=folder",
        "--set",
        f"data.path={photos}",
        "--set",
        "data.size=8",
        "--set",
        "method=supervised",
        "--checkpoints",
        root,
        "--json",
    )
    done = engine("train", *SHORT, *ours)
    assert list(answer(done)) == SUMMARY
    assert done.stderr.splitlines()[0] == "Read 20 images of 2 classes; 1 file was left out:"
    assert done.stderr.splitlines()[1].startswith("  1: ")


def test_a_config_file_and_changes_on_top_of_it(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(
        json.dumps({"name": "größer", "method": {"name": "supervised"}, "budget": {"steps": 10, "batch_size": 8}}),
        encoding="utf-8",
    )
    summary = answer(
        engine(
            "train",
            "--config",
            file,
            "--set",
            "budget.steps=7",
            "--set",
            "name=kleiner",
            "--checkpoints",
            root,
            "--json",
        )
    )
    assert (summary["state"], summary["step"]) == ("finished", 7)
    assert Store(root).run(summary["run"]).name == "kleiner"


def test_settings_of_a_preset_that_its_replaced_method_takes_along_are_named(root: Path) -> None:
    other = ("--set", "method.name=supervised", "--checkpoints", root)
    done = engine("train", "--preset", "digits-fixmatch", *SHORT, *other)
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Not kept: method.threshold, ")
    assert "budget" not in sentence  # what was asked for otherwise is not lost


@pytest.mark.slow
def test_what_a_decoder_prints_about_a_damaged_image_stays_away_from_the_sentences(root: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "TIFF", compression="tiff_lzw")
    damaged = bytearray(buffer.getvalue())
    damaged[300:340] = bytes(range(200, 240))
    path = folder_of(tmp_path / "pets", CATS_AND_DOGS | {"cat/x.tif": bytes(damaged)})
    settings = ("data.name=folder", f"data.path={path}", "data.size=8", "method.name=supervised")
    chosen = [part for setting in settings for part in ("--set", setting)]
    done = engine_process("train", *SHORT, *chosen, "--checkpoints", root)  # libtiff prints past Python
    held_out = "A fifth of each class is held out for the test set."
    assert done.stderr.splitlines()[1:] == ["  1: damaged", held_out]
