"""The files that a model is exported as, and the same model read from them again."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from engine.export.deployed_model import DeployedModel
from engine.finite_json import finite_json
from engine.predictor import Predictor
from engine.runs.folder import RunFolder

Format = Literal["onnx", "torch", "safetensors"]
FILES: dict[Format, str] = {"onnx": "model.onnx", "torch": "model.pt2", "safetensors": "model.safetensors"}
ABOUT = "fewlab"
"""Key of the metadata inside a file."""
OPSET = 17

OUTPUTS = ("probabilities", "distance")

Answers = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32] | None]]
"""Images in the run's size, uint8 [N, C, H, W], to probabilities [N, K] and distances [N] to the nearest labeled image,
read from an exported file; no distances of a run that kept no labeled images.
"""


def write(format: Format, folder: RunFolder, predictor: Predictor, about: dict[str, Any], path: Path) -> Answers:
    """Write the file and return what reads it. about: what the metadata of the file says of it."""
    if format == "safetensors":
        shutil.copyfile(folder.model_file, path)  # it says all that about says, and more

        def answers(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
            found = predictor.answers(images)
            return found.probabilities, found.distances

        return answers
    model = DeployedModel(predictor).eval()
    example = torch.zeros(2, predictor.channels, predictor.size, predictor.size, dtype=torch.uint8)
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about sizes that they take for fixed: they are
        return (_onnx if format == "onnx" else _program)(model, example, about, path)


def _onnx(model: DeployedModel, example: torch.Tensor, about: dict[str, Any], path: Path) -> Answers:
    import onnx
    import onnxruntime

    outputs = OUTPUTS[: 1 if model.labeled is None else 2]
    torch.onnx.export(
        model,
        (example,),
        path,
        input_names=["images"],
        output_names=list(outputs),
        dynamic_axes={name: {0: "batch"} for name in ("images", *outputs)},
        opset_version=OPSET,
        dynamo=False,
    )
    written = onnx.load(path)
    onnx.helper.set_model_props(written, {ABOUT: finite_json(about)})
    onnx.checker.check_model(written)
    onnx.save(written, path)
    session: Any = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def answers(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        probabilities, *distances = session.run(None, {"images": images})
        return probabilities, distances[0] if distances else None

    return answers


def _program(model: DeployedModel, example: torch.Tensor, about: dict[str, Any], path: Path) -> Answers:
    batch = torch.export.Dim("batch", min=1, max=4096)
    program = torch.export.export(model, (example,), dynamic_shapes={"images": {0: batch}})
    torch.export.save(program, path, extra_files={ABOUT: finite_json(about)})
    read: Any = torch.export.load(path).module()

    def answers(images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        with torch.inference_mode():
            probabilities, *distances = read(torch.as_tensor(np.array(images)))
        return probabilities.numpy(), distances[0].numpy() if distances else None

    return answers
