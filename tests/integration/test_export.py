"""A model taken along: its example program answers for any image file as the run does, and a file that would answer
otherwise is refused.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from engine.config.run_config import RunConfig
from engine.errors import RunError
from engine.export.export_run import Exported, export
from engine.export.formats import write
from engine.export.model_card import Measured, model_card
from engine.lab.executors.inline import train
from engine.predictor import Predictor
from engine.runs.store import Run
from engine.runs.stored_images import stored_images_of
from tests.fixtures_images import awkward_files, folder_of

PHOTOS = {
    "data": {"name": "folder", "size": 24, "fit": "pad", "labels": {"kind": "all"}},
    "method": {"name": "supervised"},
    "budget": {"steps": 6, "batch_size": 6, "evaluate_every": 6},
    "hardware": {"device": "cpu", "threads": 1},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """On photos of two classes, wider than high."""
    root, draws = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, level in (("night", 40), ("day", 200)):
        (root / name).mkdir()
        for number in range(20):
            pixels = np.clip(draws.normal(level, 30, (30, 50, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    config = RunConfig.parse(PHOTOS).with_changes({"data.path": str(root)})
    return train(config, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(run, "onnx", tmp_path_factory.mktemp("export"))


def test_the_example_program_answers_as_the_run_does_for_awkward_files(
    run: Run, exported: Exported, tmp_path: Path
) -> None:
    awkward = sorted(folder_of(tmp_path, awkward_files(70, 40)).iterdir())
    program = [sys.executable, str(exported.to / "predict.py"), *map(str, awkward)]
    # From elsewhere and without the project: what lies in the folder is enough.
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr
    predictor = Predictor(run.folder)
    lines = done.stdout.splitlines()
    assert len(lines) == len(awkward)
    for path, line in zip(awkward, lines, strict=True):
        prediction = predictor.predict([predictor.read(path.read_bytes(), path.name)])[0]
        told = dict(re.findall(r"(\w+) ([\d.]+)%", line.removeprefix(f"{path}: ")))
        for top in predictor.top(prediction):
            assert float(told[top["class"]]) == pytest.approx(100 * top["probability"], abs=0.06), path.name
        assert line.removeprefix(f"{path}: ").split(" ")[0] == predictor.top(prediction)[0]["class"]


def test_the_file_says_what_it_takes_and_gives(run: Run, exported: Exported) -> None:
    session = onnxruntime.InferenceSession(exported.to / "model.onnx", providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map["fewlab"])
    assert about == json.loads((exported.to / "about.json").read_text("utf-8"))
    assert about["class_names"] == ["day", "night"]
    assert about["preparation"]["size"] == 24
    assert about["preparation"]["fit"] == "pad"
    assert about["run"] == run.id
    assert [(one.name, one.type) for one in session.get_inputs()] == [("images", "tensor(uint8)")]
    assert [one.name for one in session.get_outputs()] == ["probabilities", "distance"]
    predictor = Predictor(run.folder)
    assert predictor.certainty.conformal is not None
    assert about["conformal"] == predictor.certainty.conformal.plain()
    assert about["usual_distance"] == predictor.certainty.usual


def test_the_distance_in_the_file_is_to_the_nearest_labeled_image(run: Run, exported: Exported) -> None:
    session = onnxruntime.InferenceSession(exported.to / "model.onnx", providers=["CPUExecutionProvider"])
    stored = stored_images_of(run.folder)
    assert stored is not None
    # A labeled image is its own nearest one, but for features that a snapshot keeps in half precision.
    labeled = np.array(stored.images[stored.rows(run.folder.split()["labeled"])])
    assert session.run(["distance"], {"images": labeled})[0] == pytest.approx(0, abs=1e-5)
    noise = np.random.default_rng(0).integers(0, 256, (30, 3, 24, 24), dtype=np.uint8)
    answers = Predictor(run.folder).answers(noise)
    assert session.run(["distance"], {"images": noise})[0] == pytest.approx(answers.distances, abs=1e-4)


def test_the_card_says_what_was_measured(run: Run, exported: Exported) -> None:
    card = (exported.to / "MODEL_CARD.md").read_text("utf-8")
    count = len(run.folder.split()["test"])
    assert f"**{100 * run.status.metrics['test/accuracy']:.1f}%** of {count} test images" in card
    assert json.loads(card.split("```json\n")[1].split("\n```")[0]) == run.config
    assert exported.parity is not None
    assert f"On {exported.parity.images} images of the run" in card


def test_the_card_says_where_the_program_in_javascript_reads_an_image_otherwise(
    exported: Exported, trained: Callable[..., Run], tmp_path: Path
) -> None:
    export(trained(), "onnx", tmp_path)
    said = "Nor does it look for the figure in an image"
    assert said in (tmp_path / "MODEL_CARD.md").read_text("utf-8")  # digits, which fill their frame
    assert said not in (exported.to / "MODEL_CARD.md").read_text("utf-8")


def test_the_card_is_measured_with_calibrated_probabilities(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cutoffs of its prediction sets are of those."""
    seen: list[Measured] = []

    def noted(run: Run, predictor: Predictor, measured: Measured, *more: object) -> str:
        seen.append(measured)
        return model_card(run, predictor, measured, *more)  # type: ignore[arg-type]

    monkeypatch.setattr("engine.export.export_run.model_card", noted)
    export(run, "safetensors", tmp_path)
    predictor, stored = Predictor(run.folder), stored_images_of(run.folder)
    assert stored is not None
    assert predictor.temperature is not None
    images = np.array(stored.images[np.sort(stored.rows(run.folder.split()["test"]))])
    logits = np.log(predictor.probabilities(images).astype(np.float64)) / predictor.temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    assert seen[0].probabilities == pytest.approx(powers / powers.sum(1, keepdims=True), abs=1e-4)


def test_rows_of_the_cards_confusion_are_true_classes_and_columns_predicted_ones(run: Run) -> None:
    """Of three images of day two are taken for night; the one of night is known."""
    predicted = np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
    card = model_card(run, Predictor(run.folder), Measured(predicted, np.array([0, 0, 0, 1])), None, "")
    matrix = card.split("Confusion, test images:\n\n")[1].split("\n\n")[0]
    assert matrix.splitlines() == [
        "| true \\ predicted | day | night |",
        "| --- | --- | --- |",
        "| day | 1 | 2 |",
        "| night | 0 | 1 |",
    ]
    assert "- `day` is predicted as `night` (2 times)" in card
    assert "| day | 100.0% | 33.3% | 3 |" in card


def test_a_file_that_would_answer_otherwise_is_refused_and_nothing_of_it_stays(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def turned_around(*arguments: object) -> object:
        answers = write(*arguments)  # type: ignore[arg-type]
        return lambda images: (answers(images)[0][:, ::-1], answers(images)[1])

    monkeypatch.setattr("engine.export.export_run.write", turned_around)
    with pytest.raises(RunError, match=r"does not answer as the run does: \d+ of \d+ answers change"):
        export(run, "onnx", tmp_path / "refused")
    assert list((tmp_path / "refused").iterdir()) == []


def test_an_export_to_where_nothing_can_be_written_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file is no folder")
    with pytest.raises(RunError, match="could not be written to"):
        export(run, "onnx", tmp_path / "file" / "below")
