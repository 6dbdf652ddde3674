"""The settings in which runs differ, in words: a row for each, or a column for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from engine.analysis.compare import differing
from ui.figures.frame import unique_names
from ui.runs.distinct_names import setting_titles, value_text

_FIRST = ("method", "data", "backbone", "budget", "optimizer", "augment")  # parts of a config, as they are asked about


class SettingColumn(NamedTuple):
    """title: unique among the columns. key: as the command line has it. values: in words, one for each run."""

    title: str
    key: str
    values: list[str]


def setting_columns(configs: Sequence[dict[str, Any]]) -> list[SettingColumn]:
    """The settings in which the runs differ, the method and its own first; none where nothing differs."""
    rows = differing(list(configs))
    titles = setting_titles(rows, configs)
    keys = sorted(rows, key=setting_order)
    return [
        SettingColumn(title, key, [value_text(value, key) for value in rows[key]])
        for title, key in zip(unique_names([titles[key] for key in keys]), keys, strict=True)
    ]


def setting_order(key: str) -> tuple[int, bool]:
    """To sort dotted keys by: the method and its settings first, in each part its name."""
    part = key.partition(".")[0]
    return _FIRST.index(part) if part in _FIRST else len(_FIRST), not key.endswith(".name")


def settings_table(configs: Sequence[dict[str, Any]], names: Sequence[str]) -> list[dict[str, str]]:
    """names: of the runs, unique. The last column is the setting's key, as the command line has it; no rows where
    nothing differs.
    """
    rows = differing(list(configs))
    titles = setting_titles(rows, configs)
    return [
        {
            "setting": titles[key],
            **{name: value_text(value, key) for name, value in zip(names, values, strict=True)},
            "in the config": key,
        }
        for key, values in rows.items()
    ]
