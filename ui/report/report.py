"""What a report says of runs: measurements, curves, errors, images, settings, method, and how to repeat it."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.analysis.compare import flat, without_seeds
from engine.analysis.evaluated_run import EvaluatedRun, Predictions
from engine.analysis.labeling.label_head import interval
from engine.analysis.metrics import calibration, confusion, error_of, per_class
from engine.errors import FewLabError
from engine.metrics import Metric
from engine.runs.store import Run
from ui.components.gallery import image_uri
from ui.figures.classification import confusion_matrix
from ui.figures.compare import run_dash
from ui.figures.curves import Series, line_chart
from ui.figures.pseudo_labels import RELIABILITY, reliability_diagram
from ui.report.document import code, details, document, gallery, heading, paragraph, plots, table
from ui.runs.metrics import formatted, logged_metrics
from ui.runs.run_names import headline_accuracy, run_name, run_titles
from ui.runs.settings_table import settings_table
from ui.shell.server import catalog
from ui.style import colors, formatting

_IMAGES = 24  # of each kind
_LARGEST_CONFUSION = 40  # classes of which the matrix can be read
_ACCURACY = "test/accuracy"


def report(runs: Sequence[Run]) -> str:
    """HTML of one run, or of several side by side and each on its own. runs: at least one."""
    if len(runs) == 1:
        return document(title := run_titles(runs)[runs[0].id], [heading(title, 1), *_run(runs[0])])
    titles = run_titles(runs)
    parts = [heading(f"{len(runs)} runs compared", 1), *_comparison(runs, titles)]
    for run in runs:
        parts += [heading(titles[run.id]), *_run(run)]
    return document(f"{len(runs)} runs compared", parts)


def _comparison(runs: Sequence[Run], titles: dict[str, str]) -> Iterator[str]:
    yield table(
        [
            {
                "run": titles[run.id],
                "state": run.status.state,
                "test accuracy": headline_accuracy(run),
                "steps": run.status.step,
                "training time": formatting.duration(run.status.seconds),
            }
            for run in runs
        ]
    )
    seeds: dict[str, list[Run]] = {}
    for run in runs:
        if _ACCURACY in run.status.metrics:
            seeds.setdefault(without_seeds(run.config), []).append(run)
    for alike in seeds.values():
        accuracies = [run.status.metrics[_ACCURACY] for run in alike]
        if len(alike) > 1:
            yield paragraph(
                f"{run_name(alike[0])}: mean test accuracy {formatting.percent(statistics.mean(accuracies))} over"
                f" {len(alike)} draws, standard deviation {100 * statistics.stdev(accuracies):.1f} points."
            )
    yield paragraph("With few labels the draw of labels moves accuracy more than the method does.", muted=True)
    journals, figures = {run.id: run.folder.metrics() for run in runs}, []
    for metric in logged_metrics([row for rows in journals.values() for row in rows]):
        if metric.compare and metric.chart is not None:
            series = [
                Series(titles[run.id], *column, colors.class_color(number), run_dash(number))
                for number, run in enumerate(runs)
                if len((column := _column(journals[run.id], metric.name))[0]) > 1
            ]
            if len(series) > 1:
                share = metric.unit == "share"
                figures.append(line_chart(metric.heading, "share" if share else metric.label, series, percent=share))
    yield plots(figures)
    yield heading("Settings that differ", 3)
    yield table(settings_table([run.config for run in runs], [titles[run.id] for run in runs])) or paragraph(
        "These runs have the same settings."
    )


def _run(run: Run) -> Iterator[str]:
    method = catalog()["methods"].get(run.config["method"]["name"], {})
    status = run.status
    yield paragraph(
        f"{status.state} after {status.step:,} of {status.steps:,} steps and {formatting.duration(status.seconds)};"
        f" started {formatting.date(run.created)}; run {run.id}.",
        muted=True,
    )
    yield from _curves(run)
    try:
        yield from _errors(run)
    except FewLabError as error:  # the rest of the report stands without
        yield paragraph(str(error), muted=True)
    yield heading("Method", 3)
    yield paragraph(f"{method.get('title', run.config['method']['name'])}. {method.get('summary', '')}")
    if method.get("idea"):
        yield paragraph(method["idea"])
    if method.get("formula"):
        yield code(method["formula"])
    if method.get("paper"):
        yield paragraph(method["paper"], muted=True)
    yield heading("How to repeat it", 3)
    yield paragraph("Save these settings as config.json and run:")
    yield code("python -m engine train --config config.json")
    yield details("All settings", [code(json.dumps(run.config, indent=2)), table(_settings(run))])


def _settings(run: Run) -> list[dict[str, Any]]:
    return [{"setting": key, "value": _as_text(value)} for key, value in flat(run.config).items()]


def _curves(run: Run) -> Iterator[str]:
    rows = run.folder.metrics()
    metrics = logged_metrics(rows)
    figures = []
    for title, chart in (("Accuracy", "accuracy"), ("Training loss", "loss"), ("Shares", "share")):
        drawn = [m for m in metrics if m.chart == chart and len(_column(rows, m.name)[0]) > 1]
        if drawn:
            strokes = colors.metric_strokes([metric.name for metric in drawn])
            series = [Series(m.label, *_column(rows, m.name), *strokes[m.name]) for m in drawn]
            figures.append(line_chart(title, chart, series, percent=chart != "loss", x_max=run.status.steps))
    yield plots(figures)
    yield table(_final(run, metrics))


def _final(run: Run, metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    named = {metric.name: metric for metric in metrics}
    return [
        {"final": named[name].title, "value": formatted(named[name], value), "": named[name].help}
        for name, value in run.status.metrics.items()
        if name in named
    ]


def _errors(run: Run) -> Iterator[str]:
    evaluated = EvaluatedRun(run)
    predictions = evaluated.predictions(evaluated.steps[-1], "test").with_known_label()
    if not len(predictions):
        return
    right = int((predictions.labels == predictions.true_labels).sum())
    within = interval(right, len(predictions))
    yield heading("On the test images", 3)
    yield paragraph(
        f"{right:,} of {len(predictions):,} test images that the last evaluation kept are right:"
        f" {formatting.percent(right / len(predictions))}, 95 % interval {formatting.percent(within.low)} to"
        f" {formatting.percent(within.high)}."
    )
    names = list(evaluated.class_names)
    counts = confusion(predictions.probabilities, predictions.true_labels)
    figures = [confusion_matrix(counts, names)] if len(names) <= _LARGEST_CONFUSION else []
    bins = calibration(predictions.probabilities.astype(np.float64), predictions.true_labels)
    figures.append(reliability_diagram([("uncalibrated", bins, error_of(bins), colors.RIGHT)], RELIABILITY))
    yield plots(figures)
    shares = per_class(counts)
    yield table(
        [
            {
                "class": name,
                "precision": formatting.percent(shares["precision"][k]),
                "recall": formatting.percent(shares["recall"][k]),
                "images": int(shares["support"][k]),
            }
            for k, name in enumerate(names)
        ]
    )
    wrong = np.flatnonzero(predictions.labels != predictions.true_labels)
    sure = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    fine = np.flatnonzero(predictions.labels == predictions.true_labels)
    fine = fine[np.argsort(-predictions.confidence[fine], kind="stable")]
    for title, positions in (("Wrong, the most confident first", sure), ("Right, the most confident first", fine)):
        if len(positions) and evaluated.images is not None:
            yield heading(title, 3)
            yield gallery(_images(evaluated, predictions, positions[:_IMAGES].tolist()))


def _images(
    run: EvaluatedRun, predictions: Predictions, positions: Sequence[int]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for position in positions:
        truth = run.class_names[predictions.true_labels[position]]
        said = run.class_names[predictions.labels[position]]
        lines = (said,) if said == truth else (f"predicted {said}", f"is {truth}")
        confidence = formatting.percent(float(predictions.confidence[position]))
        yield image_uri(run.pixels(int(predictions.ids[position]))), (*lines, confidence)


def _column(rows: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    kept = [row for row in rows if row.get(name) is not None]
    return [row["step"] for row in kept], [row[name] for row in kept]


def _as_text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)
