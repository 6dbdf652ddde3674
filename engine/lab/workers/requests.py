"""Who answers which request: the questions of the server that need torch."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.catalog import catalog
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.lab.messages import (
    CheckConfig,
    CheckImages,
    CheckSweep,
    ComputeFeatures,
    CountLabels,
    ExportModel,
    GetCatalog,
    ImportImages,
    IsReady,
    MeasureSpeed,
    OpenShared,
    PredictFolder,
    PreviewData,
    PreviewFiles,
)
from engine.lab.prediction_messages import Explain, MakeViews, Predict, PredictNamed, PredictSamples, ShowImage
from engine.lab.request import Request
from engine.lab.workers.data_requests import (
    check_imported,
    compute_features,
    count_labels,
    import_images,
    is_ready,
    make_views,
    preview_data,
    preview_files,
)
from engine.lab.workers.export_requests import export_model, open_shared_runs
from engine.lab.workers.prediction_requests import (
    explain,
    predict,
    predict_all,
    predict_named,
    predict_samples,
    show_image,
)
from engine.lab.workers.sweep_requests import check_planned
from engine.presets import PRESETS
from engine.presets.preset import TIMED, TIMED_SECONDS
from engine.registry import methods
from engine.runs.store import Store
from engine.training.assemble import check
from engine.training.trainer import Trainer


def answer(name: str, arguments: dict[str, Any]) -> Any:
    """The reply to a request, as JSON. Raises FewLabError, or KeyError for a request that nobody knows."""
    request, handler = HANDLERS[name]
    return request.write_reply(handler(request.read(arguments)))


def is_slow(name: str) -> bool:
    return name in HANDLERS and HANDLERS[name][0].slow


def warm_up() -> None:
    """Train a few throwaway steps, so that the first real one does not pay for loading libraries and preparing
    convolutions; and load what the end of a run computes its metrics with.
    """
    measure_speed(MeasureSpeed(_timed().model_dump(mode="json"), seconds=0.0))
    import_module("sklearn.metrics")


def times_as_long() -> float:
    """How many times as long as the presets say a run takes on this machine now; measured within half a second."""
    config = _timed()
    measured = measure_speed(MeasureSpeed(config.model_dump(mode="json"), seconds=0.2))
    steps, every = config.budget.steps, config.budget.evaluate_every
    seconds = measured["set_up"] + steps * measured["step"] + (steps // every + 1) * measured["evaluation"]
    return seconds / TIMED_SECONDS


def _timed() -> RunConfig:
    return RunConfig.parse(PRESETS[TIMED].config)


def get_catalog(request: GetCatalog) -> dict[str, Any]:
    return catalog()


def check_config(request: CheckConfig) -> dict[str, Any]:
    """Raises ConfigError."""
    config = RunConfig.parse(request.config)
    # Reading them can take minutes, and this answer is waited for.
    if not is_ready(IsReady(config.data.model_dump(mode="json"))).ready:
        raise ConfigError('These images have not been read on this machine yet: press "Read the images" first.')
    check(config, Path(request.checkpoints))
    return config.model_dump(mode="json")


def measure_speed(request: MeasureSpeed) -> dict[str, float]:
    """In a throwaway folder."""
    with tempfile.TemporaryDirectory(prefix="fewlab-") as root:
        config = RunConfig.parse(request.config)
        # What the weights start from changes no step's time, and the earlier run is in another folder. Of a frozen
        # network that others trained, features may be there already.
        if not methods[config.method.name].fitted or config.backbone.init.startswith("run:"):
            config = config.with_changes({"backbone.init": "random"})
        if getattr(config.data.labels, "run", ""):  # as would be a run that makes the candidates
            config = config.with_changes({"data.labels.generator": "uniform", "data.labels.run": ""})
        return Trainer(Store(root).create(config.model_dump(mode="json"))).measure(request.seconds)


HANDLERS: dict[str, tuple[type[Request[Any]], Callable[[Any], Any]]] = {
    request.name: (request, handler)
    for request, handler in (
        (GetCatalog, get_catalog),
        (CheckConfig, check_config),
        (IsReady, is_ready),
        (CountLabels, count_labels),
        (ImportImages, import_images),
        (PreviewData, preview_data),
        (ComputeFeatures, compute_features),
        (PreviewFiles, preview_files),
        (CheckImages, check_imported),
        (MeasureSpeed, measure_speed),
        (CheckSweep, check_planned),
        (Predict, predict),
        (PredictSamples, predict_samples),
        (PredictNamed, predict_named),
        (PredictFolder, predict_all),
        (Explain, explain),
        (MakeViews, make_views),
        (ShowImage, show_image),
        (ExportModel, export_model),
        (OpenShared, open_shared_runs),
    )
}
