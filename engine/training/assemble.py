"""A config to its parts: images, split, method. Prediction uses the same function as training, so both build the same
network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from engine.backbones.backbone import Backbone
from engine.config.parts import PartialLabels
from engine.config.run_config import RunConfig
from engine.data.candidate_labels import Candidates
from engine.data.image_set import Cancelled, DataSource, ImageSet, Progress
from engine.data.importing.import_report import Report
from engine.data.split import Split, make_split
from engine.derived_seed import derive
from engine.errors import ConfigError, FewLabError, RunError
from engine.id_positions import positions_of
from engine.images.figure import FigureStyle
from engine.methods.base.context import TaskSpec
from engine.methods.base.method import GradientMethod, Method
from engine.processes.group import Processes
from engine.registry import backbones, datasets, methods
from engine.runs.folder import RunFolder
from engine.training.hardware import Machine, resolve
from engine.training.initial_weights import start_from
from engine.training.loops.batches import check_streams
from engine.training.run_log import log

_MOST_THREADS = 1024  # more are no machine's; torch would start them all


def load_images(config: RunConfig) -> ImageSet:
    images: ImageSet = datasets[config.data.name](config.data).load()
    return images


def figure_style(config: RunConfig) -> FigureStyle | None:
    """How the run's data set draws its figures; None where its images are taken as they come, such as photos."""
    traits = datasets[config.data.name].traits_of(config.data.model_dump())
    if traits.fills_frame is None:
        return None
    return FigureStyle(traits.fills_frame, traits.dark_ground, traits.stroke)


def prepare(config: RunConfig, progress: Progress | None = None, cancelled: Cancelled | None = None) -> Report | None:
    """Download and import the images if that was not done before; the report of an import. Raises DataError, or
    ImportCancelled.
    """
    source: DataSource = datasets[config.data.name](config.data)
    return None if source.ready() else source.prepare(progress, cancelled)


def check(config: RunConfig, checkpoints: Path) -> None:
    """Refuse, before anything is written, what only the data can refuse: a label budget it cannot fill, images too
    small for the network, weights to start from that do not fit.

    Raises ConfigError.
    """
    resolve(config.hardware)
    run = assemble(config, checkpoints)
    if isinstance(run.method, GradientMethod):
        check_streams(run.method, config, run.images, run.task)
    if config.training.patience:
        check_measured(config, run, "training.patience")


def check_measured(config: RunConfig, run: AssembledRun, what: str) -> None:
    """Refuse where a run has no validation accuracy, which `what` goes by. Raises ConfigError."""
    if config.data.labels.kind == "none":
        raise ConfigError(
            f"{what} goes by validation accuracy, and {config.method.name} learns without labels: choose a method that"
            " learns from some."
        )
    validation = positions_of(run.split.validation, run.images.ids)
    if not (run.images.labels[validation] >= 0).any():
        raise ConfigError(
            f"{what} goes by validation accuracy, and no labeled image is held out for it: set data.validation above 0,"
            " or add a validation folder to the images."
        )


class AssembledRun(NamedTuple):
    """What a run consists of. weights: the hash of those that the backbone starts from, "" for random ones. sets: the
    hash of the candidate sets that another run made, else "".
    """

    images: ImageSet
    split: Split
    task: TaskSpec
    method: Method
    weights: str
    sets: str = ""


def assemble(
    config: RunConfig, checkpoints: Path, weights: str | None = None, candidates: Candidates | None = None
) -> AssembledRun:
    """Images, split and method of a run; the only place that puts them together.

    weights: the hash of the initial weights of a run that is resumed: they are not loaded again, because its checkpoint
    holds them and where they came from may be gone. candidates: bool [pool, K], the sets of such a run, which are not
    made again where another run made them. Raises ConfigError or DataError.
    """
    images = load_images(config)
    split = _split(config, images, checkpoints, candidates)
    sets = ""
    if candidates_follow_from_a_run(config) and split.candidates is not None:
        sets = hashlib.sha256(np.packbits(split.candidates).tobytes()).hexdigest()[:16]
    task = make_task(config, images, split)
    started_from = weights or ""

    def complete(backbone: Backbone) -> None:
        nonlocal started_from
        set_normalization(backbone, images)
        if weights is None:
            started_from = start_from(backbone, config.backbone, checkpoints)

    method = make_method(config, task, complete)
    return AssembledRun(images, split, task, method, started_from, sets)


def candidates_follow_from_a_run(config: RunConfig) -> bool:
    return isinstance(config.data.labels, PartialLabels) and config.data.labels.generator == "instance"


def _split(config: RunConfig, images: ImageSet, checkpoints: Path, candidates: Candidates | None) -> Split:
    if not candidates_follow_from_a_run(config):
        return make_split(images, config.data)
    if candidates is not None:
        return make_split(images, config.data, lambda pool, chance: candidates)
    # Here, because a model file is read by way of this module.
    from engine.training.candidates_of_run import sets_of_run

    assert isinstance(config.data.labels, PartialLabels)
    return make_split(images, config.data, sets_of_run(config.data.labels, images, checkpoints))


def make_task(config: RunConfig, images: ImageSet, split: Split) -> TaskSpec:
    counts = {name: len(ids) for name, ids in split.pools().items()}
    candidates = None if split.candidates is None else torch.as_tensor(split.candidates)
    return TaskSpec(images.classes, images.channels, images.size, counts, config.budget.batch_size, candidates)


def make_method(config: RunConfig, task: TaskSpec, complete: Callable[[Backbone], None] | None = None) -> Method:
    """The method with initial weights drawn from the run's seed; the global generator is left as it was.

    complete: gives the backbone its normalization and the weights it starts from, before the method sees it: teachers
    and target networks are copies that a method makes when it is made.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(config.seed, "weights"))
        backbone: Backbone = backbones[config.backbone.name](config.backbone, task.channels, task.size)
        if complete is not None:
            complete(backbone)
        method: Method = methods[config.method.name](config.method, backbone, task)
    return method


def initial_network(config: RunConfig, task: TaskSpec, trained: Backbone, checkpoints: Path) -> nn.Module | None:
    """The served network as it was before the first step, with the normalization of `trained`; None if what it started
    from can no longer be had.
    """

    def complete(backbone: Backbone) -> None:
        start_from(backbone, config.backbone, checkpoints)
        backbone.mean.copy_(trained.mean)
        backbone.std.copy_(trained.std)

    try:
        return make_method(config, task, complete).served()
    except FewLabError:
        return None


def machine_of(
    config: RunConfig, folder: RunFolder, events: list[dict[str, Any]], processes: Processes | None = None
) -> Machine:
    """The machine that the run was last trained on; of a new run, and of one that goes on in another number of
    processes, the one that its settings resolve to here.

    Raises RunError if the run's journal does not say it, ConfigError if this machine cannot go on with it.
    """
    begun = next((event["machine"] for event in reversed(events) if _begins(event)), None)
    if begun is None:
        return resolve(config.hardware, processes)
    try:
        machine = Machine(**begun)
        if not _is_machine(machine):
            raise TypeError
    except TypeError:
        raise RunError(
            f"events.jsonl of run {folder.id} does not say what it was trained on: restore the file, or start the run"
            " again with the same settings."
        ) from None
    if machine.is_cuda and not torch.cuda.is_available():
        raise ConfigError(
            "This run was trained on a GPU, and there is none here: start it again with the same settings instead of"
            " resuming it."
        )
    count = 1 if processes is None else processes.size
    if machine.processes != count:
        log.warning(
            "Run %s was trained in %d process%s and goes on in %d: not with the bits that it would have had.",
            *(folder.id, machine.processes, "" if machine.processes == 1 else "es", count),
        )
        return resolve(config.hardware, processes)
    return machine


def _is_machine(machine: Machine) -> bool:
    texts = (machine.device, machine.precision, machine.torch_version)
    switches = (machine.channels_last, machine.deterministic, machine.compiled, machine.tf32 in (None, True, False))
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(switch, bool) for switch in switches)
        and type(machine.threads) is int
        and 1 <= machine.threads <= _MOST_THREADS
        and type(machine.processes) is int
        and machine.processes >= 1
    )


def _begins(event: dict[str, Any]) -> bool:
    return event.get("event") in ("start", "continue") and isinstance(event.get("machine"), dict)


def set_normalization(backbone: Backbone, images: ImageSet) -> None:
    """Mean and standard deviation per channel over all training images, labeled or not; test images are not looked
    at.
    """
    levels = np.arange(256) / 255
    for c, histogram in enumerate(images.histogram):
        mean = (histogram * levels).sum() / histogram.sum()
        spread = ((histogram * (levels - mean) ** 2).sum() / histogram.sum()) ** 0.5
        backbone.mean[c] = float(mean)
        backbone.std[c] = max(float(spread), 1e-3)


def border_brightness(images: ImageSet) -> float:
    """Mean brightness, 0 to 1, of the outermost pixels: tells white on black from black on white when a stranger's
    image comes.
    """
    # From all over the set: a folder's images stand class by class.
    sample = images.images[:: max(1, len(images.images) // 1000)][:1000]
    edge = np.concatenate([sample[:, :, [0, -1], :].ravel(), sample[:, :, :, [0, -1]].ravel()])
    return float(edge.mean() / 255)
