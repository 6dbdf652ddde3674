"""Messages between the server and its workers: what one side writes, the other reads, through JSON."""

from __future__ import annotations

import json

import numpy as np

from engine.lab.messages import (
    DataPreview,
    ImagePrediction,
    Predict,
    Predictions,
    PredictSamples,
    PreviewData,
)


def test_image_files_arrive_as_they_were_sent_whatever_their_bytes() -> None:
    sent = Predict("run", (("ä.png", bytes(range(256))), ("empty", b"")))
    assert Predict.read(json.loads(json.dumps(sent.write()))) == sent


def test_predictions_arrive_with_pixels_thumbnails_truths_and_refusals() -> None:
    seen = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    answer = ImagePrediction("a", None, seen, True, (0.25, 0.75), (("dog", 0.75), ("cat", 0.25)), "cat", b"\x89PNG")
    refused = ImagePrediction("b", error="'b' is no image.")
    sent = Predictions(["cat", "dog"], {"test/accuracy": 0.5}, [answer, refused])
    got = PredictSamples.read_reply(json.loads(json.dumps(PredictSamples.write_reply(sent))))
    assert (got.class_names, got.metrics, got.images[1]) == (sent.class_names, sent.metrics, refused)
    assert got.images[0].seen is not None
    assert got.images[0].seen.tolist() == seen.tolist()
    assert {**vars(got.images[0]), "seen": None} == {**vars(answer), "seen": None}


def test_a_preview_arrives_whole() -> None:
    sent = DataPreview("cafe", ["b", "a"], [7, 3], {"labeled": 2, "unlabeled": 5, "validation": 0, "test": 1})
    assert PreviewData.read_reply(json.loads(json.dumps(PreviewData.write_reply(sent)))) == sent
