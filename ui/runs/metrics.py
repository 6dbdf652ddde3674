"""The metrics that a run logged, as they are declared in the engine: screens draw whatever is declared."""

from __future__ import annotations

from collections.abc import Iterable

from engine.metrics import Metric, declaration_of, from_plain
from engine.runs.journal import Row
from ui.shell.server import catalog
from ui.style import formatting

_NO_METRIC = ("step", "seconds")
_EVALUATION = ("test/", "validation/")  # of these, tables show what is declared


def declared_metrics() -> dict[str, Metric]:
    """By name: the standard ones and those of every method."""
    return from_plain(catalog()["metrics"])


def logged_metrics(rows: Iterable[Row]) -> list[Metric]:
    """What journal rows hold: declared metrics in the order of their declaration, then scalars that nobody declared."""
    names = {name: None for row in rows for name, value in row.items() if value is not None}
    declared = declared_metrics()
    others = [name for name in names if name not in (*declared, *_NO_METRIC) and not name.startswith(_EVALUATION)]
    return [metric for name, metric in declared.items() if name in names] + [
        declaration_of(name, declared) for name in others
    ]


def formatted(metric: Metric, value: float | None) -> str:
    return formatting.percent(value) if metric.unit == "share" else formatting.decimal(value)


def difference_from(metric: Metric, value: float, before: float) -> str:
    """With its sign and unit: "+13.1 points"; "±0.0 points" where no digit that is shown differs."""
    difference = value - before
    if metric.unit == "share":
        return f"{formatting.points(difference)} points".replace("+0.0 ", "±0.0 ")
    if formatted(metric, value) == formatted(metric, before):
        return "±0"
    return f"{'+' if difference >= 0 else '-'}{formatting.decimal(abs(difference))}"
