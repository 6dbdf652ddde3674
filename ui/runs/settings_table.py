"""The settings in which runs differ, in words: a row for each, a column for each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.analysis.compare import differing
from ui.runs.distinct_names import setting_titles, value_text


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
