"""model.safetensors: the averaged weights, with all that predicting needs in the metadata. No pickle."""

from __future__ import annotations

import json
from typing import Any

import safetensors
import safetensors.torch
from torch import nn

from engine.config.run_config import RunConfig
from engine.errors import FewLabError, RunError
from engine.finite_json import finite_json
from engine.methods.base.context import TaskSpec
from engine.runs.atomic_write import write_bytes
from engine.runs.folder import RunFolder
from engine.training.assemble import figure_style, make_method
from engine.training.probed_network import ProbedNetwork

VERSION = 2
"""2 since a model may carry a probe; one without is written as 1, which an older FewLab reads too."""


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
) -> None:
    """Write the served network of a run. background: mean brightness of the images' borders, 0 to 1.

    probe: what is known of the linear probe that `served` answers with (`labels`, `protocol` ...); {"labels": 0} if
    there is no label to answer with, None if the method has logits of its own. temperature: fitted on validation, None
    without validation images.
    """
    about: dict[str, Any] = {
        "version": 1 if probe is None else VERSION,
        "config": config.model_dump(mode="json"),
        "class_names": list(class_names),
        "background": background,
        "metrics": metrics,
    }
    about["probe"], about["temperature"] = probe, temperature
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
        data = folder.model_file.read_bytes()
    except FileNotFoundError:
        raise RunError(
            f"Run {folder.id} has no model yet: let it finish, or stop it to keep what it has learned."
        ) from None
    try:
        with safetensors.safe_open(folder.model_file, "pt") as file:
            about = json.loads((file.metadata() or {})["fewlab"])
        if about["version"] > VERSION:
            raise RunError(
                f"The model of run {folder.id} was written in format {about['version']} and this FewLab reads up to"
                f" {VERSION}: update FewLab to open it."
            )
        config = RunConfig.parse(about["config"])
        problem = TaskSpec(**{"counts": {}, **about["problem"]}, batch_size=config.budget.batch_size)
        served, tensors = make_method(config, problem).served(), safetensors.torch.load(data)
        if (about.get("probe") or {}).get("labels"):
            served = ProbedNetwork(served, *tensors["weight"].shape)
        served.load_state_dict(tensors)
        if (
            len(about["class_names"]) != problem.classes
            or not isinstance(about["background"] + 0.0, float)
            or not isinstance(about["metrics"], dict)
        ):
            raise ValueError("the metadata does not describe this model")
    except FewLabError:
        raise
    except Exception as error:  # a damaged file can fail in any way; all of them mean the same to a person
        raise RunError(
            f"The model file of run {folder.id} is damaged or not FewLab's ({type(error).__name__}): resume or repeat"
            " the run to write it again."
        ) from None
    return served.eval(), about
