"""Every method's model, written to a file and read by another runtime, answers as it did inside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from engine.export.export_run import export
from engine.predictor import Answers, Predictor
from engine.training.assemble import load_images
from tests.contract.method_runs import METHODS, Trained, config, trains_each

pytestmark = pytest.mark.usefixtures("parts_of_tests", "few_probes")


def same(outside: Sequence[NDArray[np.float32]], inside: Answers) -> None:
    """Probabilities, and where the run kept labeled images distances."""
    np.testing.assert_allclose(outside[0], inside.probabilities, atol=1e-4)
    assert len(outside) == (1 if inside.distances is None else 2)
    if inside.distances is not None:
        np.testing.assert_allclose(outside[1], inside.distances, atol=1e-4)


@pytest.mark.parametrize("method", trains_each(METHODS))
def test_a_model_in_onnxruntime_answers_one_image_and_many_as_the_run_does(
    method: str, tmp_path: Path, trained: Trained
) -> None:
    run = trained(method)
    exported = export(run, "onnx", tmp_path)
    assert exported.parity is not None
    assert exported.parity.changed == 0
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.array(load_images(config(method)).images)
    for part in (slice(0, 1), slice(1, 38), slice(None)):
        same(session.run(None, {"images": images[part]}), Predictor(run.folder).answers(images[part]))
    assert exported.parity.images >= min(200, len(images) // 2)


@pytest.mark.parametrize("method", trains_each(METHODS))
def test_a_program_of_torch_answers_one_image_and_many_as_the_run_does(
    method: str, tmp_path: Path, trained: Trained
) -> None:
    run = trained(method)
    exported = export(run, "torch", tmp_path)
    assert exported.parity is not None
    assert exported.parity.changed == 0
    program = torch.export.load(tmp_path / "model.pt2").module()
    images = np.array(load_images(config(method)).images)
    for part in (slice(0, 1), slice(1, 38), slice(None)):
        outside = [output.detach().numpy() for output in program(torch.as_tensor(images[part]))]
        same(outside, Predictor(run.folder).answers(images[part]))
