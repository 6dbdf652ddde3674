"""Several runs side by side: which settings differ, and how runs that differ only in their seed group together."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Plain = Mapping[str, Any]
_NOT_A_SETTING = ("name", "version", "hardware")
_DRAW = ("seed", "data.split_seed")


@dataclass(frozen=True)
class Band:
    """One curve over several runs, at the steps that all of them have. mean, low, high: as long as steps; low and high
    are the extremes. runs: how many.
    """

    steps: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]
    runs: int


@dataclass(frozen=True)
class BudgetPoint:
    """Accuracy at one number of labels per class: mean, lowest and highest of so many runs."""

    per_class: int
    mean: float
    low: float
    high: float
    runs: int


def flat(config: Plain, prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys: {"method.threshold": 0.95, ...}."""
    entries: dict[str, Any] = {}
    for name, value in config.items():
        if not prefix and name in _NOT_A_SETTING:
            continue
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            entries |= flat(value, f"{key}.")
        else:
            entries[key] = value
    return entries


def differing(configs: Sequence[Plain]) -> dict[str, list[Any]]:
    """Dotted keys whose values are not the same in all configs, with each config's value (None where it has no such
    setting).

    Of a view that only some of the methods use, one row says so.
    """
    tables = [flat(config) for config in configs]
    # A view that one method has and another has not is one difference, not one for each of its settings.
    used = [set(augment) if isinstance(augment := config.get("augment"), Mapping) else set() for config in configs]
    lonely: dict[str, list[Any]] = {
        f"augment.{name}": ["used" if name in names else None for names in used] for name in sorted(set().union(*used))
    }
    lonely = {key: values for key, values in lonely.items() if None in values}
    keys = sorted(
        {key for table in tables for key in table if not key.startswith(tuple(f"{view}." for view in lonely))}
    )
    rows = {key: [table.get(key) for table in tables] for key in keys}
    return {**{key: values for key, values in rows.items() if any(value != values[0] for value in values)}, **lonely}


def short_keys(keys: Sequence[str]) -> list[str]:
    """Dotted keys as short words: "labels.per_class" as "per class"; where two would be called alike, with what stands
    before.
    """
    short = [key.split(".")[-1].replace("_", " ") for key in keys]
    return [
        word if short.count(word) == 1 else key.replace(".", " ").replace("_", " ")
        for key, word in zip(keys, short, strict=True)
    ]


def without_seeds(config: Plain) -> str:
    """A key that is equal for runs which differ only in seed and draw of labels."""
    return json.dumps({key: value for key, value in flat(config).items() if key not in _DRAW}, sort_keys=True)


def without_budget(config: Plain) -> str:
    """A key that is equal for runs which differ only in seed, draw and number of labels."""
    return json.dumps(
        {key: value for key, value in flat(config).items() if key not in (*_DRAW, "data.labels.per_class")},
        sort_keys=True,
    )


def over_seeds(curves: Sequence[Mapping[int, float]]) -> Band:
    """Several runs' values by step as one band; steps that one of them lacks are left out."""
    steps = sorted(set(curves[0]).intersection(*curves[1:])) if curves else []
    at = [[curve[step] for curve in curves] for step in steps]
    return Band(
        steps,
        [statistics.mean(values) for values in at],
        [min(values) for values in at],
        [max(values) for values in at],
        len(curves),
    )


def budget_curve(entries: Sequence[tuple[int, float]]) -> list[BudgetPoint]:
    """From (labels per class, accuracy) of runs that are otherwise alike: one point for each number of labels, the
    fewest first.
    """
    groups: dict[int, list[float]] = {}
    for per_class, accuracy in entries:
        groups.setdefault(per_class, []).append(accuracy)
    return [
        BudgetPoint(count, statistics.mean(values), min(values), max(values), len(values))
        for count, values in sorted(groups.items())
    ]
