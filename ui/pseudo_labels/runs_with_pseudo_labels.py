"""Which runs have pseudo-labels: those that learned from labeled images and from others without a label."""

from __future__ import annotations

from engine.errors import FewLabError
from engine.runs.store import Run


def has_unlabeled(run: Run) -> bool:
    """Of runs with a few labels it is not asked: what is shown of one that had nothing else is a sentence."""
    kind = (run.config["data"].get("labels") or {}).get("kind")
    if kind != "all":
        return kind == "few"
    try:
        split = run.folder.split()
    except FewLabError:
        return False
    return len(split["labeled"]) < len(split["pool"])
