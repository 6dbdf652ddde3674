"""Which threshold the page asks about at first."""

from __future__ import annotations

from ui.runs.run_bar import Inside


def default_threshold(inside: Inside) -> float:
    changed = [
        change.value
        for change in inside.run.folder.changes()
        if change.key == "method.threshold" and isinstance(change.value, (int, float))
    ]
    return round(float(changed[-1] if changed else inside.run.config["method"].get("threshold", 0.95)), 2)


def share(text: str) -> float:
    """Raises ValueError on what is no number from 0 to 1."""
    value = round(float(text), 2)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value
