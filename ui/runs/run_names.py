"""What a run is called on the pages: the name a user gave it, else what it is, from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.runs.store import Run
from ui.figures.frame import unique_names
from ui.runs.distinct_names import distinct_names, what_differs
from ui.shell.server import title_of
from ui.style import formatting


def run_name(run: Run) -> str:
    """The typed name, or "FixMatch on handwritten digits, 2 labels per class"."""
    return run.name or automatic_name(run.config)


def automatic_name(config: dict[str, Any]) -> str:
    data = data_title(config)
    lowered = data[0].lower() + data[1:] if data[1:2].islower() else data  # not of an abbreviation
    return f"{method_title(config)} on {lowered}, {labels(config['data'].get('labels') or {})}"


def method_title(config: dict[str, Any]) -> str:
    return title_of("methods", config["method"]["name"])


def data_title(config: dict[str, Any]) -> str:
    return title_of("datasets", config["data"]["name"])


def labels(settings: dict[str, Any]) -> str:
    """What a run may know of the labels, in words."""
    count = settings.get("per_class")
    few = f"{'up to ' if settings.get('at_most') else ''}{count} label{'' if count == 1 else 's'} per class"
    several = f"candidates at rate {settings.get('rate')}"
    return {"few": few, "partial": several, "none": "no labels"}.get(str(settings.get("kind")), "all labels")


def answers_by_probe(run: Run) -> bool:
    """Whether the run's accuracy is not its own: it learned features, and a linear probe that was given all labels
    answers.
    """
    return "test/linear_full" in run.status.metrics


def headline_accuracy(run: Run) -> str | None:
    """The final test accuracy, with what it was given where that is more than the run's labels; None if there is none:
    "96.3 %", "92.1 % (probe, all labels)".
    """
    accuracy = run.status.metrics.get("test/accuracy")
    if accuracy is None:
        return None
    return formatting.percent(accuracy) + (" (probe, all labels)" if answers_by_probe(run) else "")


def accuracy_order(run: Run) -> tuple[int, float]:
    """A sorting key, the best last: runs that classify by themselves, before them those that a probe of all labels
    answers for, which is no match for few labels, and before those the runs without an accuracy.
    """
    accuracy = run.status.metrics.get("test/accuracy")
    if accuracy is None:
        return 0, 0.0
    return (1 if answers_by_probe(run) else 2), accuracy


def told_apart(runs: Sequence[Run]) -> list[str]:
    """The names of runs that stand beside each other: to equal ones is added what distinguishes them, "seed 3"."""
    return distinct_names([run_name(run) for run in runs], [run.config for run in runs], alike=("data.split_seed",))


def told_among(run: Run, runs: Sequence[Run]) -> str:
    """The name of one of these runs, with what distinguishes it from those that have the same; equal runs get no
    number, which would say nothing about either.
    """
    name = run_name(run)
    namesakes = [other for other in runs if other.id == run.id or run_name(other) == name]
    place = next((i for i, other in enumerate(namesakes) if other.id == run.id), None)
    if place is None:
        return name
    differs = what_differs([name] * len(namesakes), [other.config for other in namesakes])
    return ", ".join(filter(None, [name, differs[place]]))


def told_in_turn(runs: Sequence[Run]) -> list[str]:
    """As `told_apart`, for a list in one line: a name that the run before has too is not said again."""
    names = [run_name(run) for run in runs]
    return [
        told.removeprefix(name).lstrip(", ") if name == before else told
        for told, name, before in zip(told_apart(runs), names, [None, *names], strict=False)
    ]


def run_titles(runs: Sequence[Run]) -> dict[str, str]:
    """By run id, for a list to choose from: name with what distinguishes it, final accuracy if there is one, and when.
    No two are alike, because Streamlit knows a choice by its text.
    """
    titles = [
        f"{name} · {headline_accuracy(run) or run.status.state} · {formatting.date(run.created)}"
        for name, run in zip(told_apart(runs), runs, strict=True)
    ]
    return dict(zip([run.id for run in runs], unique_names(titles), strict=True))
