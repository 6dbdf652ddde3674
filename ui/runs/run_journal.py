"""A run's journal: its metrics over the steps, and what happened to it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from engine.runs.folder import Change
from engine.runs.journal import Row
from engine.runs.store import Run
from ui.figures.curves import Mark
from ui.runs.distinct_names import setting_words, value_text


@dataclass(frozen=True)
class RunJournal:
    """Read once per look at the run."""

    run: Run
    metrics: list[Row]
    events: list[Row]
    changes: list[Change]

    @staticmethod
    def read(run: Run) -> RunJournal:
        return RunJournal(run, run.folder.metrics(), run.folder.events(), run.folder.changes())

    def column(self, name: str) -> tuple[list[int], list[float]]:
        """Steps and values of a metric."""
        rows = [row for row in self.metrics if row.get(name) is not None]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def latest(self, name: str, step: int | None = None) -> float | None:
        """The last value at or before `step`."""
        values = [
            row[name] for row in self.metrics if row.get(name) is not None and (step is None or row["step"] <= step)
        ]
        return values[-1] if values else None

    @property
    def marks(self) -> list[Mark]:
        """The live changes, for figures over the steps."""
        return [
            Mark(change.step, f"{setting_words(change.key, self.run.config)} {value_text(change.value)}")
            for change in self.changes
        ]

    @property
    def refused(self) -> str | None:
        """Why the last change that was asked for was not made; None if it was made."""
        asked = [event for event in self.events if event.get("event") in ("change", "refused")]
        return str(asked[-1].get("reason")) if asked and asked[-1]["event"] == "refused" else None
