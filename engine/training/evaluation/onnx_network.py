"""A frozen network in onnxruntime: on a CPU it gives the features of photos in half of torch's time."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.backbones.backbone import Backbone
from engine.training.hardware import Machine

RUNTIME = f"onnxruntime {version('onnxruntime')}"
AT_ONCE = 8
"""Images in one call: what lies between the layers of many falls out of the processor's cache, 128 take seven times as
long each.
"""
Features = NDArray[np.float32]


def runs(backbone: Backbone, machine: Machine) -> bool:
    """Whether features of this network on this machine come from onnxruntime: float32 on a CPU, of a network that is
    known to be exported faithfully.
    """
    return backbone.is_exportable and machine.device == "cpu" and machine.precision == "float32"


def in_onnxruntime(network: Backbone, threads: int) -> Callable[[NDArray[np.uint8]], Features]:
    """From bytes [B, C, H, W] to features [B, D], to 1e-4 as the network gives them, which is in eval mode."""
    import onnxruntime  # here, because only features of photos need it

    example = torch.zeros(2, network.channels, network.size, network.size)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about the sizes that it takes for fixed: they are
        program = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (example,),
            program,
            input_names=["images"],
            output_names=["features"],
            dynamic_axes={"images": {0: "batch"}, "features": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
        session: Any = onnxruntime.InferenceSession(program, options, providers=["CPUExecutionProvider"])

    def features(pixels: NDArray[np.uint8]) -> Features:
        parts = [pixels[start : start + AT_ONCE] for start in range(0, len(pixels), AT_ONCE)]
        scaled = (part.astype(np.float32) / np.float32(255) for part in parts)
        return np.concatenate([session.run(None, {"images": part})[0] for part in scaled])

    return features
