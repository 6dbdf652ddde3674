"""Every method's model, written to a file and read by another runtime, answers as it did inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from engine.export.export_run import export
from engine.predictor import Predictor
from engine.training.assemble import load_images
from tests.contract.method_runs import METHODS, Trained, config, trains_each

pytestmark = pytest.mark.usefixtures("parts_of_tests", "few_probes")


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
    inside = Predictor(run.folder).probabilities(images, calibrated=True)
    for part in (slice(0, 1), slice(1, 38), slice(None)):
        outside = session.run(None, {"images": images[part]})[0]
        np.testing.assert_allclose(outside, inside[part], atol=1e-4)
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
    inside = Predictor(run.folder).probabilities(images, calibrated=True)
    for part in (slice(0, 1), slice(1, 38), slice(None)):
        np.testing.assert_allclose(program(torch.as_tensor(images[part])).detach().numpy(), inside[part], atol=1e-4)
