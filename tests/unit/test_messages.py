"""Messages between the server and its workers: what one side writes, the other reads, through JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from engine.analysis.certainty import Certainty
from engine.analysis.conformal import Conformal
from engine.data.importing.preview import Preview
from engine.data.importing.understanding import Choice
from engine.images.part import Part
from engine.lab.messages import (
    CheckConfig,
    CheckedImages,
    CheckImages,
    CheckSweep,
    ComputeFeatures,
    ComputeProjection,
    CountLabels,
    DataPreview,
    ExportedModel,
    ExportModel,
    FolderPredicted,
    GetCatalog,
    ImportImages,
    IsReady,
    LabelsGiven,
    MeasureSpeed,
    OpenShared,
    PredictFolder,
    PreviewData,
    PreviewFiles,
    Readiness,
    SharedRuns,
)
from engine.lab.prediction_messages import (
    Explain,
    ImagePrediction,
    MakeViews,
    Predict,
    Predictions,
    PredictNamed,
    PredictSamples,
    ShowImage,
    ShownImage,
)
from engine.lab.request import Request

CONFIG: dict[str, Any] = {"method": {"name": "ä", "threshold": 0.95}, "seed": 3, "split_seed": None, "views": [1, 2]}
SENT: list[Request[Any]] = [
    GetCatalog(),
    CheckConfig(CONFIG, "/checkpoints"),
    IsReady({"name": "folder", "path": "C:\\photos"}),
    CountLabels({"name": "folder", "path": "/photos"}),
    ImportImages(CONFIG, "/progress.json"),
    PreviewData("fixmatch", CONFIG, 7, "/checkpoints"),
    PreviewFiles({"name": "folder", "path": "/photos"}, 3),
    CheckImages({"name": "folder", "path": "/photos"}),
    ComputeFeatures({"name": "folder"}, "folder-0a", {"name": "efficientnet_lite"}, "/checkpoints", "/progress.json"),
    MeasureSpeed(CONFIG, 0.25),
    CheckSweep({"name": "digits", "dimensions": [{"key": "method.threshold"}]}, "/checkpoints"),
    Predict("run", (("ä.png", bytes(range(256))), ("empty", b"")), True, (Part(3, 0, 40, 20), None)),
    ShowImage("ä.png", bytes(range(256))),
    PredictSamples("run", "cafe", 6, 1),
    PredictNamed("/run", "/photos.zip", ("ä.png", "b/c.png")),
    PredictFolder("/run", "/photos.zip", "/table.csv", "", 0.9, "/progress.json"),
    Explain("/run", bytes(range(12)), (1, 3, 4)),
    MakeViews("/run", bytes(range(12)), (1, 3, 4), 5, 7),
    OpenShared("/tmp/a.fewlab", "/checkpoints"),
    ExportModel("/checkpoints/run", "onnx", "/tmp/model.zip"),
    ComputeProjection(4, "run", "pixels", {"method": "pca"}, [10, 20], {"limit": 60}),
]


def kinds(of: type[Request[Any]] = Request) -> Iterator[type[Request[Any]]]:
    """Every request that has a name."""
    for kind in of.__subclasses__():
        if "name" in vars(kind) and kind.__module__.startswith("engine."):
            yield kind
        yield from kinds(kind)


def test_no_request_is_left_out_below_and_no_two_have_one_name() -> None:
    assert {type(sent) for sent in SENT} == set(kinds())
    assert len({sent.name for sent in SENT}) == len(SENT)


@pytest.mark.parametrize("sent", SENT, ids=lambda sent: sent.name)
def test_a_request_arrives_as_it_was_sent(sent: Request[Any]) -> None:
    assert type(sent).read(json.loads(json.dumps(sent.write()))) == sent


def test_a_preview_and_what_was_found_arrive_as_they_were_written() -> None:
    preview = Preview(
        "pets",
        "one folder per class",
        {"cat": {"training": 2, "validation": 0, "test": 1}},
        own_test=True,
        unlabeled=3,
        left_out={"not an image": 1},
        names=[["ä.txt", "not an image"]],
        samples={"cat": ["1.png"]},
        notes=["a"],
        warnings=["b"],
        choices=[Choice("labels_from", "none", "images without labels")],
        question="pets can be read in two ways.",
        thumbnails={"1.png": "aGVsbG8="},
    )
    assert PreviewFiles.read_reply(json.loads(json.dumps(PreviewFiles.write_reply(preview)))) == preview
    checked = CheckedImages([{"name": "is_dark", "count": 1, "sentence": "s", "files": [["1.png"]]}], "file,class\r\n")
    assert CheckImages.read_reply(json.loads(json.dumps(CheckImages.write_reply(checked)))) == checked


def test_predictions_arrive_with_pixels_thumbnails_truths_and_refusals() -> None:
    seen = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    answer = ImagePrediction(
        "a",
        None,
        seen,
        True,
        (0.25, 0.75),
        (("dog", 0.75), ("cat", 0.25)),
        "cat",
        b"\x89PNG",
        True,
        ((7, 0.25), (3, 0.5)),
        "7.png",
        0.25,
    )
    refused = ImagePrediction("b", error="'b' is no image.")
    certainty = Certainty(Conformal(40, {0.8: 0.5, 0.9: 0.25}), 0.125)
    sent = Predictions(["cat", "dog"], {"test/accuracy": 0.5}, [answer, refused], certainty=certainty)
    got = PredictSamples.read_reply(json.loads(json.dumps(PredictSamples.write_reply(sent))))
    assert (got.class_names, got.metrics, got.images[1]) == (sent.class_names, sent.metrics, refused)
    assert got.certainty == certainty
    assert got.images[0].seen is not None
    assert got.images[0].seen.tolist() == seen.tolist()
    assert {**vars(got.images[0]), "seen": None} == {**vars(answer), "seen": None}


def test_an_image_to_mark_a_part_in_arrives_with_its_size() -> None:
    sent = ShownImage(640, 480, "data:image/png;base64,AAAA")
    assert ShowImage.read_reply(json.loads(json.dumps(ShowImage.write_reply(sent)))) == sent


def test_where_a_model_looks_arrives_to_the_bit() -> None:
    sent = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    got = Explain.read_reply(json.loads(json.dumps(Explain.write_reply(sent))))
    assert got.dtype == np.float32
    assert got.tolist() == sent.tolist()


def test_the_labels_that_were_given_arrive_as_they_were_counted() -> None:
    sent = LabelsGiven(6, 100)
    assert CountLabels.read_reply(json.loads(json.dumps(CountLabels.write_reply(sent)))) == sent


def test_whether_a_set_is_ready_arrives_with_its_name() -> None:
    sent = Readiness(True, "folder-0a")
    assert IsReady.read_reply(json.loads(json.dumps(IsReady.write_reply(sent)))) == sent


def test_a_preview_arrives_whole() -> None:
    sent = DataPreview("cafe", ["b", "a"], [7, 3], {"labeled": 2, "unlabeled": 5, "validation": 0, "test": 1}, "rare")
    assert PreviewData.read_reply(json.loads(json.dumps(PreviewData.write_reply(sent)))) == sent


def test_what_became_of_a_folder_arrives() -> None:
    sent = FolderPredicted(120, 30, 2)
    assert PredictFolder.read_reply(json.loads(json.dumps(PredictFolder.write_reply(sent)))) == sent


def test_which_shared_runs_are_new_arrives() -> None:
    sent = SharedRuns(["a", "b"], ["c"])
    assert OpenShared.read_reply(json.loads(json.dumps(OpenShared.write_reply(sent)))) == sent


def test_what_was_exported_arrives_with_how_it_compares() -> None:
    sent = ExportedModel(559, 6.5e-7)
    assert ExportModel.read_reply(json.loads(json.dumps(ExportModel.write_reply(sent)))) == sent
