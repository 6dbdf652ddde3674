"""What a run is called on the pages: the name a user gave it, else what it is, from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.runs.store import Run
from ui.figures.frame import unique_names
from ui.shell.server import catalog
from ui.style import formatting


def run_name(run: Run) -> str:
    """The typed name, or "FixMatch on handwritten digits, 2 labels per class"."""
    return run.name or automatic_name(run.config)


def automatic_name(config: dict[str, Any]) -> str:
    data = _title("datasets", config["data"]["name"])
    lowered = data[0].lower() + data[1:] if data[1:2].islower() else data  # not of an abbreviation
    return f"{_title('methods', config['method']['name'])} on {lowered}, {labels(config['data'].get('labels') or {})}"


def labels(settings: dict[str, Any]) -> str:
    """What a run may know of the labels, in words."""
    count = settings.get("per_class")
    few = f"{count} label{'' if count == 1 else 's'} per class"
    several = f"candidate labels at rate {settings.get('rate')}"
    return {"few": few, "partial": several, "none": "no labels"}.get(str(settings.get("kind")), "all labels")


def run_title(run: Run) -> str:
    """Name, final accuracy if there is one, and when: how a run is called in every list."""
    accuracy = run.status.metrics.get("test/accuracy")
    figure = formatting.percent(accuracy) if accuracy is not None else run.status.state
    return f"{run_name(run)} · {figure} · {formatting.date(run.created)}"


def run_titles(runs: Sequence[Run]) -> dict[str, str]:
    """By run id, for a list to choose from: no two alike, because Streamlit knows a choice by its text."""
    return dict(zip([run.id for run in runs], unique_names([run_title(run) for run in runs]), strict=True))


def _title(kind: str, name: str) -> str:
    return str(catalog()[kind].get(name, {}).get("title", name))
