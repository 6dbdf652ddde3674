"""model.safetensors: the averaged weights, with all that predicting needs in the metadata. No pickle."""

from __future__ import annotations

import json
from types import NoneType
from typing import Any

import safetensors.torch
import torch
from torch import nn

from engine.analysis.conformal import Conformal
from engine.config.run_config import RunConfig
from engine.errors import FewLabError, RunError
from engine.finite_json import finite_json
from engine.methods.base.context import TaskSpec
from engine.plain_file import open_plain_file
from engine.runs.atomic_write import write_bytes
from engine.runs.contents import is_number
from engine.runs.folder import RunFolder
from engine.training.assemble import figure_style, make_method
from engine.training.probed_network import ProbedNetwork

VERSION = 2
"""2 since a model may carry a probe; one without is written as 1, which an older FewLab reads too."""

_LARGEST_METHOD = 8_000_000_000  # bytes of its networks and tables
_LARGEST_SIDE = 1024  # pixels: four times what a data set of one's own may have


def save_model(
    folder: RunFolder,
    config: RunConfig,
    problem: TaskSpec,
    served: nn.Module,
    class_names: tuple[str, ...],
    background: float,
    metrics: dict[str, float],
    probe: dict[str, Any] | None = None,
    temperature: float | None = None,
    conformal: Conformal | None = None,
    step: int | None = None,
) -> None:
    """Write the served network of a run. background: mean brightness of the images' borders, 0 to 1.

    probe: what is known of the linear probe that `served` answers with (`labels`, `protocol` ...); {"labels": 0} if
    there is no label to answer with, None if the method has logits of its own. temperature, conformal: from the
    validation images, None without any. step: whose evaluation is of these very weights.
    """
    about: dict[str, Any] = {
        "version": 1 if probe is None else VERSION,
        "config": config.model_dump(mode="json"),
        "class_names": list(class_names),
        "background": background,
        "metrics": metrics,
    }
    about["probe"], about["temperature"] = probe, temperature
    about["step"] = step
    about["conformal"] = None if conformal is None else conformal.plain()
    style = figure_style(config)
    about["figures"] = None if style is None else style._asdict()
    about["problem"] = {
        "classes": problem.classes,
        "channels": problem.channels,
        "size": problem.size,
        "counts": problem.counts,
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in served.state_dict().items()}
    write_bytes(folder.model_file, safetensors.torch.save(tensors, {"fewlab": finite_json(about)}))


def load_model(folder: RunFolder) -> tuple[nn.Module, dict[str, Any]]:
    """The served network in eval mode on the CPU, and what the file says about it (`config`, `class_names`, `probe`
    ...).

    Raises RunError with one sentence if there is no model yet, or the file is damaged, foreign or newer.
    """
    try:
        with open_plain_file(folder.model_file) as opened:
            data = opened.read()
        about = json.loads((_header(data).get("__metadata__") or {})["fewlab"])
        if about["version"] > VERSION:
            raise RunError(
                f"The model of run {folder.id} was written in format {about['version']} and this FewLab reads up to"
                f" {VERSION}: update FewLab to open it."
            )
        config = RunConfig.parse(about["config"])
        problem = TaskSpec(**{"counts": {}, **about["problem"]}, batch_size=config.budget.batch_size)
        # Of a network that pools over all pixels, no weight says how large the images are.
        if not (1 <= problem.size <= _LARGEST_SIDE and problem.channels in (1, 3)):
            raise ValueError("the metadata does not describe images")
        tensors = safetensors.torch.load(data)
        probe = tensors["weight"].shape if (about.get("probe") or {}).get("labels") else None
        # Without memory first: what the metadata says may describe a network of any size.
        with torch.device("meta"):
            method = make_method(config, problem)
            described = _answering(method.served(), probe)
        if _bytes_of(method) > _LARGEST_METHOD:
            raise ValueError("the metadata describes a method that no machine holds")
        # Raises if these are not the weights of the network that the metadata describes.
        described.load_state_dict({name: tensor.to("meta") for name, tensor in tensors.items()})
        served = _answering(make_method(config, problem).served(), probe)
        served.load_state_dict(tensors)
        if (
            len(about["class_names"]) != problem.classes
            or not all(isinstance(name, str) for name in about["class_names"])
            or not 0 <= about["background"] <= 1
            or not isinstance(about["metrics"], dict)
            or not all(isinstance(value, (int, float, NoneType)) for value in about["metrics"].values())
            or not _is_temperature(about.get("temperature"))
            or not isinstance(about.get("step"), int | None)
        ):
            raise ValueError("the metadata does not describe this model")
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise ValueError("the weights are not finite")
        if about.get("conformal") is not None:
            Conformal.read(about["conformal"])
        # One that is not finite is written as null, and as NaN in files of before.
        about["metrics"] = {name: value for name, value in about["metrics"].items() if is_number(value)}
    except FileNotFoundError:
        raise RunError(
            f"Run {folder.id} has no model yet: let it finish, or stop it to keep what it has learned."
        ) from None
    except FewLabError:
        raise
    except Exception as error:  # a damaged file can fail in any way; all of them mean the same to a person
        raise RunError(
            f"The model file of run {folder.id} is damaged or not FewLab's ({type(error).__name__}): resume or repeat"
            " the run to write it again."
        ) from None
    return served.eval(), about


def _header(data: bytes) -> dict[str, Any]:
    """The description at the beginning of a safetensors file."""
    header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header


def _is_temperature(value: object) -> bool:
    return value is None or (is_number(value) and value > 0)


def _answering(served: nn.Module, probe: torch.Size | None) -> nn.Module:
    """probe: the shape of its weights, if the network answers with one."""
    return ProbedNetwork(served, *probe) if probe is not None else served


def _bytes_of(method: nn.Module) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in (*method.parameters(), *method.buffers()))
